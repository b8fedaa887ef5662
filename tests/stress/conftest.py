# SPDX-License-Identifier: Apache-2.0
"""Stress: real processes that are killed, stopped and forked at any instant, against an independent count."""

from __future__ import annotations

import resource

import pytest

from tests.places import limited, mount, shared, tiny  # noqa: F401  # fixtures of these tests


@pytest.fixture(scope="session", autouse=True)
def _many_files() -> None:
    """The file of locks of each directory looked at stays open, as it must in one process; here there are many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < 8192:
        resource.setrlimit(resource.RLIMIT_NOFILE, (8192 if hard == resource.RLIM_INFINITY else min(8192, hard), hard))
