# SPDX-License-Identifier: Apache-2.0
"""File systems that are full, limited by quota, read-only or broken: the app serves on, and what has a place is counted."""

from __future__ import annotations

import errno
import os
import subprocess
from itertools import product

import pytest

from tests.aggregate.counting import by_route
from tests.stress.worker import Worker
from wsgiapm.aggregate.layout import CHUNK_BYTES
from wsgiapm.aggregate.merge import merge
from wsgiapm.config import resolve
from wsgiapm.doctor import examine

ROOM = 1_200 * 1024


def settings_at(shared, tmp_path, **more):
    """Those of a worker that uploads nothing."""
    settings = {"app_name": "shop", "shared_dir": shared, "endpoint": "", "harvest_mode": "external"}
    return {**settings, "log_file": str(tmp_path / "log"), **more}


def fill(path):
    """Take all the room that is left at a place."""
    size = 2**16
    with open(os.path.join(path, "filler"), "wb", buffering=0) as file:
        while size:
            try:
                os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, size)
            except OSError:
                size //= 2


def said(tmp_path):
    """What the workers have logged."""
    log = tmp_path / "log"
    return log.read_text(encoding="utf-8") if log.exists() else ""


def check_two_workers(place, tmp_path):
    """One that counts there already when the last room goes, and one that comes later."""
    shared = os.path.join(place, "shop")
    settings = settings_at(shared, tmp_path, shared_max_bytes=2**27)
    first = Worker(settings, "first")
    first.serve(24)
    fill(place)
    first.serve(600)
    late = Worker(settings, "late")
    late.serve(24)
    first.serve(24)
    first.ask("harvest")
    joined = late.ask("place")["segment"] >= 0
    findings = {finding.id for finding in examine(resolve(settings), shared)}
    assert (first.end(), late.end()) == (0, 0)

    assert by_route(merge(shared)).total() == first.served + (late.served if joined else 0)
    assert joined or "no room" in said(tmp_path)
    assert "report it" not in said(tmp_path)
    return findings


@pytest.mark.parametrize("room", [600 * 1024, pytest.param(ROOM, marks=pytest.mark.long)])
def test_a_full_tmpfs(tiny, tmp_path, room):
    """ENOSPC: all that is finished is counted, if need be as (other), and the doctor says that it is full."""
    place = tiny(room)
    findings = check_two_workers(place, tmp_path)

    free = os.statvfs(place)
    assert free.f_bavail * free.f_frsize < CHUNK_BYTES
    assert "directory-full" in findings


def test_a_quota(limited, tmp_path):
    """EDQUOT, where the file system itself has room: as with a full one."""
    place, in_memory = limited(ROOM)
    if in_memory:
        check_two_workers(place, tmp_path)
        return
    # Where the kernel makes a copy at each write nobody can be sure of room that he has: see docs/shared-memory.md.
    fill(place)
    shared = os.path.join(place, "shop")
    late = Worker(settings_at(shared, tmp_path), "late")
    late.serve(24)
    assert late.ask("place")["segment"] == -1
    assert late.end() == 0
    assert "counts on its own" in said(tmp_path)
    assert "report it" not in said(tmp_path)


def test_a_directory_that_becomes_read_only(shared, mount, tmp_path):
    """Who counts there goes on; who comes later counts alone and says so; readers read."""
    settings = settings_at(shared, tmp_path)
    first = Worker(settings, "first")
    first.serve(24)
    mount("--bind", shared, path=shared)
    subprocess.run(["mount", "-o", "remount,bind,ro", shared], check=True)
    with pytest.raises(OSError, match="Read-only"):
        os.open(f"{shared}/index", os.O_RDWR)
    first.serve(24)
    late = Worker(settings, "late")
    late.serve(12)
    assert late.ask("place")["segment"] == -1
    counted = by_route(merge(shared)).total()
    assert (first.end(), late.end()) == (0, 0)

    assert counted == first.served
    assert shared in said(tmp_path)
    assert "report it" not in said(tmp_path)


CALLS = ("open", "stat", "pread", "pwrite", "posix_fallocate", "rename", "listdir", "fstat")
ERRORS = ("EIO", "EDQUOT", "ENOSPC", "EROFS", "EMFILE", "ENOMEM", "EACCES")


@pytest.mark.parametrize(
    ("call", "error", "after"),
    [
        pytest.param(call, error, after, marks=[] if error == "EIO" and after == 0 else [pytest.mark.long])
        for call, error, after in product(CALLS, ERRORS, (0, 1, 4))
    ],
)
def test_every_call_of_the_system_may_fail(call, error, after, shared, tmp_path):
    """While a worker serves and harvests, and when it starts: no request notices, and all of it is counted afterwards."""
    settings = settings_at(shared, tmp_path)
    first = Worker(settings, "first")
    first.serve(12)
    first.ask("fail", call, getattr(errno, error), after)
    first.serve(36)
    first.ask("heal")
    first.serve(6)
    for _ in range(2):
        first.ask("harvest")
    assert first.end() == 0
    late = Worker(settings, "late")
    late.ask("fail", call, getattr(errno, error), after)
    late.serve(12)
    late.ask("heal")
    joined = late.ask("place")["segment"] >= 0
    assert late.end() == 0

    assert by_route(merge(shared)).total() == first.served + (late.served if joined else 0)
    assert "report it" not in said(tmp_path)
