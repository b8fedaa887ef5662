# SPDX-License-Identifier: Apache-2.0
"""Fixtures: places for shared directories, in memory, with little room, or on a file system with a quota."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def shared() -> Iterator[str]:
    """The path of a shared directory that does not exist yet, in memory where there is such a place."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="wsgiapm-test-", dir=place) as parent:
        yield os.path.join(parent, "shop")


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Mounts what the arguments say, as for the command of that name, returns where, and unmounts it in the end."""
    mounted: list[str] = []

    def attach(*arguments: str, path: str = "") -> str:
        if os.geteuid() != 0:
            pytest.skip("only root can mount a file system")
        path = path or str(tmp_path / f"mounted-{len(mounted)}")
        os.makedirs(path, 0o700, exist_ok=True)
        done = subprocess.run(["mount", *arguments, path], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"mount {' '.join(arguments)}: {' '.join(done.stderr.split())}")
        mounted.append(path)
        return path

    yield attach
    for path in reversed(mounted):
        with contextlib.suppress(OSError):
            subprocess.run(["umount", "-l", path], check=False)


@pytest.fixture
def tiny(mount: Callable[..., str]) -> Callable[[int], str]:
    """`tiny(size)` mounts a tmpfs of so many bytes and returns its path."""
    return lambda size: mount("-t", "tmpfs", "-o", f"size={size},mode=0700", "none")


@pytest.fixture
def limited(mount: Callable[..., str], tmp_path: Path) -> Callable[[int], tuple[str, bool]]:
    """`limited(size)` returns a directory that may hold so many bytes by quota, on a file system with room for more.

    tmpfs has quotas since Linux 6.6, if the kernel was built with them; else it is btrfs. Also returns whether it is in memory.
    """

    def make(size: int) -> tuple[str, bool]:
        options = f"size=64m,mode=0700,usrquota,usrquota_block_hardlimit={size}"
        tried = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", str(tmp_path)], capture_output=True, check=False
        )
        if tried.returncode == 0:
            subprocess.run(["umount", str(tmp_path)], check=True)
            return mount("-t", "tmpfs", "-o", options, "none"), True
        if not shutil.which("mkfs.btrfs"):
            pytest.skip("this kernel has no quota on tmpfs, and there is no mkfs.btrfs")
        image = str(tmp_path / "image")
        with open(image, "wb") as file:
            file.truncate(128 * 2**20)
        subprocess.run(["mkfs.btrfs", "-q", "-f", image], check=True, capture_output=True)
        path = mount("-t", "btrfs", "-o", "loop", image)
        place = os.path.join(path, "limited")
        for command in (
            ["quota", "enable", path],
            ["subvolume", "create", place],
            ["qgroup", "limit", str(size), place],
        ):
            subprocess.run(["btrfs", *command], check=True, capture_output=True)
        os.chmod(place, 0o700)
        return place, False

    return make
