# SPDX-License-Identifier: Apache-2.0
"""A store in a temporary file."""

from __future__ import annotations

import pytest

from wsgiapm.store.sqlite import SqliteStore


@pytest.fixture
def store(tmp_path):
    """A new SQLite store that keeps 30 days."""
    store = SqliteStore(str(tmp_path / "x.db"), 30 * 86400)
    yield store
    store.close()
