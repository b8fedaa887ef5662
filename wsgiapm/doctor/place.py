# SPDX-License-Identifier: Apache-2.0
"""The file system the shared directory lies on, and who may take it away."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator

from wsgiapm.aggregate.layout import CHUNK_BYTES
from wsgiapm.doctor.finding import Finding, Patient

_REMOTE = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "glusterfs", "fuse.sshfs", "9p", "afs")
_LOGIND = "/etc/systemd/logind.conf"
_LAST_SYSTEM_UID = 999


def examine(patient: Patient) -> Iterator[Finding]:
    """Report a directory without room, on another machine's disk, or that logind may empty."""
    path = patient.path
    here = path if os.path.isdir(path) else os.path.dirname(path)
    if not os.path.isdir(here):
        return
    yield from _examine_room(path, here)
    kind = file_system(here)
    if kind in _REMOTE:
        message = (
            f"{path} is on a network file system ({kind}): its locks and its memory mapping are not reliable there"
        )
        yield Finding("network-file-system", "error", message, "set shared_dir to a directory of this machine")
    yield from _examine_logind(path, here)


def _examine_room(path: str, here: str) -> Iterator[Finding]:
    status = os.statvfs(here)
    free = status.f_bavail * status.f_frsize
    if free < CHUNK_BYTES or not status.f_favail:
        message = f"{path} is full: {free} bytes are free there; workers that start now count on their own"
        remedy = f"free some room (df {here}), or set shared_dir to a directory elsewhere, and restart the app"
        yield Finding("directory-full", "error", message, remedy)


def file_system(path: str, mounts: str = "/proc/self/mounts") -> str:
    """Return the type of the file system a path lies on, empty where the system does not say."""
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            entries = [line.split(" ")[1:3] for line in file]
    except OSError:
        return ""
    real = os.path.realpath(path)
    best, kind = "", ""
    for raw, name in entries:
        point = raw.replace("\\040", " ")
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, name
    return kind


def _examine_logind(path: str, here: str, config: str = _LOGIND) -> Iterator[Finding]:
    if not path.startswith("/dev/shm/") or not os.path.isdir("/run/systemd/system"):  # noqa: S108
        return
    uid = os.stat(here).st_uid
    if uid <= _LAST_SYSTEM_UID or removes_ipc(config) is False:
        return
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    message = f"logind empties /dev/shm of {user} when {user} last logs out (RemoveIPC=yes): running workers put {path} back, but what dead ones counted can be lost"
    remedy = f"run the app as a system user, or `loginctl enable-linger {user}`, or RemoveIPC=no in {config}"
    yield Finding("remove-ipc", "warning", message, remedy)


def removes_ipc(config: str) -> bool:
    """Tell whether logind removes a user's shared memory; it does unless its configuration says no."""
    try:
        with open(config, encoding="utf-8", errors="replace") as file:
            values = [line.partition("=")[2].strip() for line in file if line.strip().startswith("RemoveIPC")]
    except OSError:
        return True
    return not values or values[-1].lower() not in ("no", "false", "0", "off")
