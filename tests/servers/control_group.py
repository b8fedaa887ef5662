# SPDX-License-Identifier: Apache-2.0
"""A memory limit of the kernel's for some processes: a control group below our own, of version 1 or 2."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

_MEBIBYTE = 2**20


class MemoryGroup:
    """A group with a limit. What is above it, the kernel's OOM killer takes."""

    def __init__(self, path: str, limit_file: str, events_file: str) -> None:
        """`path` exists already; the two files are named as its version names them."""
        self.path = path
        self._limit_file = limit_file
        self._events_file = events_file

    def limit(self, mebibytes: int) -> None:
        """From now on all its processes together get no more than so much."""
        self._write(self._limit_file, str(mebibytes * _MEBIBYTE))

    def take(self, pid: int) -> None:
        """Put a process, and all it forks from now on, into the group."""
        self._write("cgroup.procs", str(pid))

    def kills(self) -> int:
        """How many processes of the group the OOM killer has killed."""
        with open(os.path.join(self.path, self._events_file), encoding="ascii") as file:
            events = dict(line.split() for line in file)
        return int(events["oom_kill"])

    def _write(self, name: str, text: str) -> None:
        with open(os.path.join(self.path, name), "w", encoding="ascii") as file:
            file.write(text)


def _own_path(controller: str) -> str | None:
    """The path of our own group within the hierarchy of a controller; `""` is that of version 2."""
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        for line in file:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            if controller in controllers.split(","):
                return path
    return None


def _mounted(kind: str, option: str) -> str | None:
    """Where a hierarchy is mounted."""
    with open("/proc/self/mounts", encoding="utf-8") as file:
        for line in file:
            _, point, its_kind, options, *_ = line.split(" ")
            if its_kind == kind and (not option or option in options.split(",")):
                return point
    return None


def _version_1() -> MemoryGroup:
    point, own = _mounted("cgroup", "memory"), _own_path("memory")
    if point is None or own is None:
        raise OSError(errno.ENOENT, "no hierarchy of version 1 with the memory controller is mounted")
    return MemoryGroup(_make(point + own), "memory.limit_in_bytes", "memory.oom_control")


def _version_2() -> MemoryGroup:
    point, own = _mounted("cgroup2", ""), _own_path("")
    if point is None or own is None:
        raise OSError(errno.ENOENT, "no hierarchy of version 2 is mounted")
    parent = point + own
    with open(os.path.join(parent, "cgroup.controllers"), encoding="ascii") as file:
        if "memory" not in file.read().split():
            raise OSError(errno.ENOENT, f"{parent} has no memory controller")
    with open(os.path.join(parent, "cgroup.subtree_control"), "w", encoding="ascii") as file:
        file.write("+memory")
    path = _make(parent)
    with suppress(FileNotFoundError), open(os.path.join(path, "memory.swap.max"), "w", encoding="ascii") as file:
        file.write("0")
    return MemoryGroup(path, "memory.max", "memory.events")


def _make(parent: str) -> str:
    path = os.path.join(parent, f"wsgiapm-test-{os.getpid()}")
    os.mkdir(path)
    return path


@contextmanager
def memory_group() -> Iterator[MemoryGroup]:
    """A new group below our own, which is removed in the end; skips where none can be had, and says why."""
    reasons = []
    for make in (_version_2, _version_1):
        try:
            group = make()
            break
        except OSError as error:
            reasons.append(f"{make.__name__[1:].replace('_', ' ')}: {error}")
    else:
        pytest.skip(f"no control group with a memory limit can be made here: {'; '.join(reasons)}")
    try:
        yield group
    finally:
        _remove(group.path)


def _remove(path: str) -> None:
    # Its processes have been ended by then; the kernel takes a moment to let go of them.
    for _ in range(100):
        try:
            os.rmdir(path)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            time.sleep(0.1)
        else:
            return
    os.rmdir(path)
