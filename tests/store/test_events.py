# SPDX-License-Identifier: Apache-2.0
"""The events of a store: each once, the newest first, bounded in number and age."""

from __future__ import annotations

import pytest

from wsgiapm.store import writer as writer_module
from wsgiapm.store.model import DAY, Event

NOW = 1_800_000_000


def event(key, *, ago=0, name="a.b"):
    """Return an event so many seconds ago."""
    return Event(key, (NOW - ago) * 10**9, name, 13, f"event {key}", "uid", "{}")


def add(store, *events, app="shop"):
    """Keep events of an app and return its key."""
    with store.writing() as writer:
        key = writer.app(app, "")
        writer.instance(key, "uid", "{}", NOW)
        writer.add_events(key, events)
        return key


def read(store, app=1, *, start=0, end=NOW + 1, limit=1000):
    """Return the keys of the app's events."""
    with store.reading() as reader:
        return [found.id for found in reader.events(app, start=start, end=end, limit=limit)]


def test_an_event_comes_back_as_it_was(store):
    """All of it, the largest key and text beyond ASCII included."""
    given = Event(2**63 - 1, NOW * 10**9 - 1, "é", 0, "two\nlines\0", "uid", '{"a":[1,null]}')

    app = add(store, given)

    with store.reading() as reader:
        assert reader.events(app, start=NOW - 1, end=NOW, limit=1) == [given]


def test_the_newest_come_first_and_as_many_as_asked_for(store):
    """Those of one moment in a fixed order."""
    add(store, event(1, ago=5), event(3), event(2), event(4, ago=10))

    assert read(store) == [2, 3, 1, 4]
    assert read(store, limit=3) == [2, 3, 1]


def test_a_window_includes_its_start_and_not_its_end(store):
    """Windows that follow each other show nothing twice."""
    add(store, event(1, ago=20), event(2, ago=10), event(3))

    assert read(store, start=NOW - 20, end=NOW) == [2, 1]


def test_an_event_is_kept_once(store):
    """As it came first."""
    add(store, event(1))
    add(store, event(1, name="other"), event(1), event(2))

    assert read(store) == [1, 2]
    with store.reading() as reader:
        assert {found.name for found in reader.events(1, start=0, end=NOW + 1, limit=9)} == {"a.b"}


def test_each_app_has_its_own(store):
    """The same key may be another's."""
    one, two = add(store, event(1)), add(store, event(1), event(2), app="other")

    assert (read(store, one), read(store, two)) == ([1], [1, 2])


def test_only_the_newest_are_kept(store, monkeypatch):
    """Beyond the bound the oldest go, also if they come last; other apps' stay."""
    monkeypatch.setattr(writer_module, "MAX_EVENTS", 3)
    other = add(store, event(9, ago=99), app="other")
    app = add(store, *(event(i, ago=i) for i in range(1, 6)))
    add(store, event(6, ago=60))

    assert read(store, app) == [1, 2, 3]
    assert read(store, other) == [9]


def test_old_events_are_deleted(store):
    """With the retention of the coarsest tier."""
    add(store, event(1, ago=30 * DAY + 1), event(2, ago=30 * DAY - 1))

    assert store.expire(NOW) == 1

    assert read(store) == [2]


@pytest.mark.parametrize("table", ["event", "app", "instance"])
def test_an_app_that_only_had_events_leaves_nothing(store, table):
    """When the last one is too old."""
    add(store, event(1))

    store.expire(NOW + 31 * DAY)

    assert store._writer.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_events_are_found_by_the_index(store):
    """The texts of those that are not shown are never read."""
    add(store, event(1))
    with store.reading() as reader:
        seen = []
        reader._execute, execute = (lambda sql, values: seen.append((sql, values)) or []), reader._execute
        reader.events(1, start=0, end=NOW, limit=10)
        plan = " ".join(row[3] for row in execute("EXPLAIN QUERY PLAN " + seen[0][0], seen[0][1]))

    assert "USING COVERING INDEX event_by_time (app=? AND time_ns>? AND time_ns<?)" in plan
    assert "SEARCH event USING PRIMARY KEY (app=? AND id=?)" in plan
