# SPDX-License-Identifier: Apache-2.0
"""Names of routes in rows: patient with a busy index, and bounded."""

from __future__ import annotations

import pytest

from wsgiapm.aggregate.index import Index, IndexFullError, MemoryLog
from wsgiapm.aggregate.schema import UNKNOWN
from wsgiapm.route_names import RouteNames


class BusyLog(MemoryLog):
    """A log that another process is writing for the next `busy` attempts."""

    busy = 0

    def lock(self):
        """Refuse as long as somebody else writes."""
        self.busy -= 1
        return self.busy < 0


@pytest.fixture
def log():
    """Where the names are kept."""
    return BusyLog()


@pytest.fixture
def names(log):
    """Names of an index with room for everything, at most 10; the first one is the unknown's, as in every instance."""
    index = Index(log, lambda _: True)
    index.add_name(UNKNOWN)
    return RouteNames(index, 10)


def test_a_name_waits_for_a_process_that_writes_the_index(names, log):
    """The first request of a route has its name although another process was adding a series at that instant."""
    log.busy = 3

    assert names.word("/orders") != 0


def test_a_name_does_not_wait_for_a_process_that_is_stopped(names, log):
    """Who holds the index for long keeps nobody waiting; the name is had later."""
    log.busy = 10**6

    assert names.word("/orders") == 0
    assert 10**6 - log.busy < 100

    log.busy = 0
    assert names.word("/orders") != 0


def test_a_full_index_leaves_the_name_out(names, monkeypatch):
    """Without room for a name the request goes on without."""

    def full(_name):
        raise IndexFullError

    monkeypatch.setattr(names._index, "add_name", full)

    assert names.word("/orders") == 0


def test_names_are_bounded(names):
    """An attacker's names do not fill the index: above the limit they have none."""
    words = [names.word(f"/{n}") for n in range(20)]

    assert all(words[:9])
    assert not any(words[10:])
