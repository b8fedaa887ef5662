# SPDX-License-Identifier: Apache-2.0
"""The file system the shared directory lies on, and who may take it away."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Sequence
from glob import glob

from wsgiapm.aggregate.layout import CHUNK_BYTES
from wsgiapm.doctor.finding import Finding, Patient, found

_REMOTE = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "smb3", "smbfs"}
)
_REMOTE_BY_FUSE = frozenset({"ceph", "gcsfuse", "glusterfs", "juicefs", "rclone", "s3fs", "sshfs"})
_COPYING = frozenset({"bcachefs", "btrfs", "zfs"})
_LOGIND = ("/etc/systemd/logind.conf", *(f"{top}/systemd/logind.conf.d/*.conf" for top in ("/usr/lib", "/run", "/etc")))
_LINGER = "/var/lib/systemd/linger"
_SYSTEMD = "/run/systemd/system"
_IN_MEMORY = "/dev/shm/"  # noqa: S108  # looked at, not opened
_LAST_SYSTEM_UID = 999


def examine(patient: Patient) -> Iterator[Finding]:
    """Report a directory without room, on another machine's disk, or that logind may empty."""
    path = patient.path
    here = path if os.path.isdir(path) else os.path.dirname(path)
    if not os.path.isdir(here):
        return
    yield from _examine_room(path, here)
    yield from examine_kind(path, file_system(here))
    if path.startswith(_IN_MEMORY) and os.path.isdir(_SYSTEMD):
        yield from examine_logind(path, os.stat(here).st_uid, _LOGIND, _LINGER)


def _examine_room(path: str, here: str) -> Iterator[Finding]:
    status = os.statvfs(here)
    free = status.f_bavail * status.f_frsize
    if free < CHUNK_BYTES or not status.f_favail:
        message = f"{path} is full: {free} bytes are free there; workers that start now count on their own"
        remedy = f"free some room (df {here}), or set shared_dir to a directory elsewhere, and restart the app"
        yield found("directory-full", message, remedy)


def examine_kind(path: str, kind: str) -> Iterator[Finding]:
    """Report a file system of another machine, or one that may find itself full at any write; `kind` is its type."""
    if kind in _REMOTE or kind.removeprefix("fuse.") in _REMOTE_BY_FUSE:
        message = (
            f"{path} is on a network file system ({kind}): its locks and its memory mapping are not reliable there"
        )
        yield found("network-file-system", message)
    if kind in _COPYING:
        yield found(
            "copying-file-system", f"{path} is on {kind}, which needs new room for every write to what is there"
        )


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


def examine_logind(path: str, uid: int, configs: Sequence[str], linger: str) -> Iterator[Finding]:
    """Report a directory in memory that logind will empty.

    Args:
        path: the directory.
        uid: whose it is.
        configs: patterns of logind's files, the one that counts last at the end.
        linger: the directory with a file for each user who is never logged out.
    """
    if uid <= _LAST_SYSTEM_UID or not removes_ipc(configs):
        return
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    if os.path.exists(os.path.join(linger, user)):
        return
    message = (
        f"logind empties /dev/shm of {user} when {user} last logs out (RemoveIPC=yes): running workers put {path} back, "
        "but what dead ones counted can be lost"
    )
    remedy = f"run the app as a system user, or `loginctl enable-linger {user}`, or RemoveIPC=no in {configs[0]}"
    yield found("remove-ipc", message, remedy)


def removes_ipc(configs: Sequence[str]) -> bool:
    """Tell whether logind removes a user's shared memory; it does unless its configuration says no."""
    removes = True
    for name in (name for pattern in configs for name in sorted(glob(pattern))):
        try:
            with open(name, encoding="utf-8", errors="replace") as file:
                values = [line.partition("=")[2].strip() for line in file if line.strip().startswith("RemoveIPC")]
        except OSError:
            continue
        if values:
            removes = values[-1].lower() not in ("no", "false", "0", "off")
    return removes
