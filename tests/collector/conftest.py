# SPDX-License-Identifier: Apache-2.0
"""A store, and the collector's end points in front of it."""

from __future__ import annotations

import falcon
import pytest
from falcon import testing

from wsgiapm import collector
from wsgiapm.store.sqlite import SqliteStore

TOKEN = "ingest-secret"


class Clock:
    """A clock that stands still until it is set (seconds)."""

    def __init__(self, now):
        self.now = now

    def time_ns(self):
        """Return Unix nanoseconds."""
        return round(self.now * 10**9)


@pytest.fixture
def clock():
    """The server's clock, at 1,800,000,000."""
    return Clock(1_800_000_000)


@pytest.fixture
def store(tmp_path):
    """A new SQLite store that keeps 30 days."""
    store = SqliteStore(str(tmp_path / "x.db"), 30 * 86400)
    yield store
    store.close()


@pytest.fixture
def client(store, clock):
    """A client of the end points."""
    app = falcon.App()
    app.set_error_serializer(collector.serialize_failure)
    collector.add_routes(app, store, TOKEN, clock.time_ns)
    return testing.TestClient(app, headers={"Authorization": f"Bearer {TOKEN}"})
