# SPDX-License-Identifier: Apache-2.0
"""A store in a temporary file."""

from __future__ import annotations

import hypothesis
import pytest

from wsgiapm.store.sqlite import SqliteStore

# A busy machine is no failure.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")


@pytest.fixture
def store(tmp_path):
    """A new SQLite store that keeps 30 days."""
    store = SqliteStore(str(tmp_path / "x.db"), 30 * 86400)
    yield store
    store.close()
