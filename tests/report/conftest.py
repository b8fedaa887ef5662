# SPDX-License-Identifier: Apache-2.0
"""The whole application in front of a store that has been given a few reports."""

from __future__ import annotations

import pytest
from falcon import testing

from wsgiapm.collector.events import keep_events
from wsgiapm.collector.ingest import ingest
from wsgiapm.serve.application import Tokens, build
from wsgiapm.store.sqlite import SqliteStore

INGEST, VIEW = "ingest-secret", "view-secret"
NOW = 1_800_000_000
HOST = "localhost"


class Site:
    """A store and a client of the API in front of it, at a time that stands still."""

    def __init__(self, store):
        self.store = store
        self.now = NOW
        app = build(store, Tokens(INGEST, VIEW), {HOST}, lambda: round(self.now * 10**9))
        self.client = testing.TestClient(app, headers={"Host": HOST})

    def take(self, message):
        """Ingest a message at its own time."""
        refusals = ingest(self.store, message.request, round(message._time * 10**9))
        assert refusals.count == 0, refusals.message

    def tell(self, message):
        """Keep the events of a message."""
        refusals = keep_events(self.store, message.request, round(self.now * 10**9))
        assert refusals.count == 0, refusals.message

    def get(self, path, *, status=200, **parameters):
        """Return the JSON at a path of the API, read with the view token; a trailing _ is cut off names."""
        params = {name.rstrip("_"): value for name, value in parameters.items()}
        answer = self.client.simulate_get(f"/api/v1/{path}", params=params, headers={"Authorization": f"Bearer {VIEW}"})
        assert answer.status_code == status, answer.text
        return answer.json


@pytest.fixture
def site(tmp_path):
    """A site without data."""
    store = SqliteStore(str(tmp_path / "x.db"), 30 * 86400)
    yield Site(store)
    store.close()
