# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of the shared memory."""

from __future__ import annotations

import contextlib
import os

import pytest

from tests.places import mount, shared, tiny  # noqa: F401  # fixtures of these tests


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
