# SPDX-License-Identifier: Apache-2.0
"""Retention: each tier forgets in its own time, and a position outlives what was booked from it."""

from __future__ import annotations

import pytest

from wsgiapm.store.model import DAY, HOUR, STEPS, Instance, Series, Stream, Value, tiers
from wsgiapm.store.sqlite import SqliteStore

NOW = 1_800_000_000
SERIES = Series("m", "sum", "1", "", "{}")


def fill(store, ages, *, seen):
    """Write one row of each age (seconds) to every tier, by an instance last heard of at ``seen``."""
    with store.writing() as writer:
        app = writer.app("shop", "")
        instance = writer.instance(app, "uid", "{}", seen)
        writer.reported(app, Instance(instance.id, seen * 10**9, 0))
        series = writer.series(app, SERIES)
        writer.advance(app, series, instance.id, Stream(1, 2, 3, 4, {}))
        for step in STEPS:
            slots = [NOW - age - (NOW - age) % step for age in ages]
            writer.add_values(step, [(app, series, t, instance.id, Value(1, 1, 0)) for t in slots])
            writer.add_cells(step, [(app, series, t, instance.id, 5, 1) for t in slots])


def count(store, table):
    """Count the rows of a table."""
    return store._writer.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_each_tier_keeps_its_time(store):
    """10 s rows for 6 hours, 60 s for 2 days, 600 s for 14 days, 3600 s for as long as asked for."""
    fill(store, [HOUR, 7 * HOUR, 3 * DAY, 15 * DAY, 31 * DAY], seen=NOW)

    store.expire(NOW)

    assert [count(store, f"metric_{step}") for step in STEPS] == [1, 2, 3, 4]
    assert [count(store, f"hist_{step}") for step in STEPS] == [1, 2, 3, 4]


def test_no_tier_is_kept_longer_than_the_retention():
    """A short retention shortens them all."""
    assert [tier.keep for tier in tiers(DAY)] == [6 * HOUR, DAY, DAY, DAY]
    assert [tier.keep for tier in tiers(HOUR)] == [HOUR] * 4


def test_the_position_of_a_silent_instance_is_kept_as_long_as_its_rows(store):
    """Without it, an instance that comes back would be booked a second time."""
    fill(store, [29 * DAY], seen=NOW - 29 * DAY)

    store.expire(NOW)

    assert count(store, "stream") == 1
    assert count(store, "instance") == 1


def test_what_is_long_gone_leaves_nothing(store):
    """Series, positions, instances and apps go when the last row has gone."""
    fill(store, [31 * DAY], seen=NOW - 31 * DAY)

    assert store.expire(NOW) > 0

    tables = ["app", "instance", "series", "stream", *(f"metric_{step}" for step in STEPS)]
    assert {table: count(store, table) for table in tables} == dict.fromkeys(tables, 0)
    assert store.expire(NOW) == 0


@pytest.mark.parametrize("rows", [20_000])
def test_the_file_becomes_smaller(tmp_path, rows):
    """Free pages are given back."""
    store = SqliteStore(str(tmp_path / "x.db"), 30 * DAY)
    with store.writing() as writer:
        app = writer.app("shop", "")
        series = writer.series(app, SERIES)
        writer.add_values(10, [(app, series, NOW - 7 * HOUR - 10 * i, 1, Value(1, 1, 0)) for i in range(rows)])
    (before,) = store._writer.execute("PRAGMA page_count").fetchone()

    deleted = store.expire(NOW)

    (after,) = store._writer.execute("PRAGMA page_count").fetchone()
    assert deleted >= rows
    assert after < before / 2
    store.close()
