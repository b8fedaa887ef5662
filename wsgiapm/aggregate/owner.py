# SPDX-License-Identifier: Apache-2.0
"""Who owns a segment: a process, named so that a later one with the same id is not taken for it, and its size."""

from __future__ import annotations

import os
from collections.abc import Sequence

from wsgiapm.aggregate import layout

_STATE, _STARTED = 0, 19
_ENDED = (b"Z", b"X")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def _read_stat(pid: int | str) -> list[bytes]:
    """Return the fields of /proc/PID/stat after the name; empty when there is no such process, or no /proc."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return []


def start_ticks(pid: int | str = "self") -> int:
    """Return when a process started, in clock ticks since boot; 0 when it has ended or the system does not say."""
    fields = _read_stat(pid)
    return int(fields[_STARTED]) if len(fields) > _STARTED and fields[_STATE] not in _ENDED else 0


def pid_namespace() -> int:
    """Return the inode of this process's pid namespace, or 0."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def is_claimed(header: Sequence[int], holder: int) -> bool:
    """Tell whether the process that holds a segment's lock is the one its header names, and not about to adopt it.

    Where the header's owner is of another pid namespace that cannot be told, and is taken to be so.
    """
    return header[layout.PID_NAMESPACE] != pid_namespace() or header[layout.PID] == holder


def owner_lives(header: Sequence[int]) -> bool:
    """Tell whether the process that the words of a segment's header name is alive, other than this one.

    The lock says so first. This is for a process that lost its locks because something in it closed all descriptors.
    A process of another pid namespace cannot be seen and is not taken to live.
    """
    pid, started = header[layout.PID], header[layout.STARTED_TICKS]
    if not started or pid == os.getpid() or header[layout.PID_NAMESPACE] != pid_namespace():
        return False
    return start_ticks(pid) == started


def resident_memory() -> int:
    """Return the resident memory of this process in bytes."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except OSError:  # no Linux
        import psutil  # noqa: PLC0415

        return int(psutil.Process().memory_info().rss)
