# SPDX-License-Identifier: Apache-2.0
"""Stress: real processes that are killed, stopped and forked at any instant, against an independent count."""

from __future__ import annotations

import os
import tempfile

import pytest


@pytest.fixture
def shared():
    """The path of a shared directory that does not exist yet, in memory where there is such a place."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="wsgiapm-test-", dir=place) as parent:
        yield os.path.join(parent, "shop")
