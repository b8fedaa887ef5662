# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of the shared memory."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile

import pytest


@pytest.fixture
def shared():
    """The path of a shared directory that does not exist yet, in memory where there is such a place."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="wsgiapm-test-", dir=place) as parent:
        yield os.path.join(parent, "shop")


@pytest.fixture
def tiny(tmp_path):
    """`tiny(size)` mounts a tmpfs of so many bytes and returns its path; it is unmounted in the end."""
    mounted = []

    def mount(size: int) -> str:
        if os.geteuid() != 0:
            pytest.skip("only root can mount a small tmpfs")
        path = str(tmp_path / f"tiny-{len(mounted)}")
        os.mkdir(path, 0o700)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "none", path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
        mounted.append(path)
        return path

    yield mount
    for path in mounted:
        with contextlib.suppress(OSError):
            subprocess.run(["umount", "-l", path], check=False)


@pytest.fixture(autouse=True)
def no_descriptor_is_left_open():
    """No test leaves more descriptors open than the file of locks of each directory, which is never closed on purpose."""
    before = set(os.listdir("/proc/self/fd"))
    yield
    left = []
    for number in set(os.listdir("/proc/self/fd")) - before:
        with contextlib.suppress(FileNotFoundError):
            left.append(os.readlink(f"/proc/self/fd/{number}"))
    ours = [path for path in left if "wsgiapm-test-" in path and not path.removesuffix(" (deleted)").endswith("/locks")]
    assert ours == []
