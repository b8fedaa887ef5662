# SPDX-License-Identifier: Apache-2.0
"""POSIX record locks on single bytes of a file, that also keep apart the interpreters of one process.

The kernel grants a process what it holds already. Where a server runs several interpreters in a process (uwsgi, mod_wsgi), each
with a copy of this module, only a lock of the other kind, that of an open file description, tells them of one another.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys

# struct flock as the kernel has it; Python passes it through as bytes.
_FLOCK = struct.Struct("qqihh" if sys.platform == "darwin" else "hhqqi4x")
_DENIED = (errno.EACCES, errno.EAGAIN)
_OFD = sys.platform == "linux"
# Far behind all bytes that mean something, one byte for each process.
_DOORS = 1 << 32


def _pack(kind: int, byte: int) -> bytes:
    if sys.platform == "darwin":
        return _FLOCK.pack(byte, 1, 0, kind, os.SEEK_SET)
    return _FLOCK.pack(kind, os.SEEK_SET, byte, 1, 0)


def _unpack(data: bytes) -> tuple[int, int]:
    if sys.platform == "darwin":
        _, _, pid, kind, _ = _FLOCK.unpack(data)
    else:
        kind, _, _, _, pid = _FLOCK.unpack(data)
    return kind, pid


def _set(descriptor: int, command: int, kind: int, byte: int) -> bool:
    try:
        fcntl.fcntl(descriptor, command, _pack(kind, byte))
    except OSError as error:
        if error.errno in _DENIED:
            return False
        raise
    return True


def holder(descriptor: int, byte: int) -> int | None:
    """Return the id of the process that holds the byte, 0 if it is of another pid namespace; None when it is free.

    That may be this process: then another interpreter in it holds the byte, or this one has taken it.
    """
    command = fcntl.F_OFD_GETLK if _OFD else fcntl.F_GETLK
    kind, pid = _unpack(fcntl.fcntl(descriptor, command, _pack(fcntl.F_WRLCK, byte)))
    return None if kind == fcntl.F_UNLCK else pid


def renew(descriptor: int, byte: int) -> bool:
    """Lock a byte that is ours, in case the lock was lost; return whether it is ours now."""
    return _set(descriptor, fcntl.F_SETLK, fcntl.F_WRLCK, byte)


def take(descriptor: int, byte: int) -> bool:
    """Lock a byte without waiting; return whether it is ours now. False also when this process holds it already."""
    if not _OFD:
        return renew(descriptor, byte)
    door = _DOORS + os.getpid()
    if not _set(descriptor, fcntl.F_OFD_SETLK, fcntl.F_WRLCK, door):
        return False  # another interpreter of this process is between the two steps
    try:
        return holder(descriptor, byte) is None and renew(descriptor, byte)
    finally:
        _set(descriptor, fcntl.F_OFD_SETLK, fcntl.F_UNLCK, door)


def free(descriptor: int, byte: int) -> None:
    """Unlock a byte."""
    _set(descriptor, fcntl.F_SETLK, fcntl.F_UNLCK, byte)
