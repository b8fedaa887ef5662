# SPDX-License-Identifier: Apache-2.0
"""Details, texts and notes: rows add up, each tier forgets in its own time, and what nothing refers to goes."""

from __future__ import annotations

import pytest

from wsgiapm.store import writer as writer_module
from wsgiapm.store.model import (
    CALLER_TIME,
    DAY,
    DETAIL_STEPS,
    HOUR,
    STATEMENT_DURATION,
    Detail,
    Instance,
    Note,
    Selection,
    Series,
    Stream,
    detail_tiers,
)
from wsgiapm.store.packing import pack

NOW = 1_800_000_000
STATEMENT = Series(STATEMENT_DURATION, "histogram", "s", "", '{"db.query.text":"d1","wsgiapm.operation":"op"}')
CALLER = Series(CALLER_TIME, "sum", "s", "/x/", '{"http.route":"/x/","wsgiapm.operation":"op"}')
SITE = Note("op", "wsgiapm.sql.site slow", NOW * 10**9, "{}")


def fill(store, ages, *, seen=NOW):
    """Write a detail of each age (seconds) to every tier, a text and a note; return the app."""
    with store.writing() as writer:
        app = writer.app("shop", "")
        instance = writer.instance(app, "uid", "{}", seen)
        writer.reported(app, Instance(instance.id, seen * 10**9, 0))
        for series in (STATEMENT, CALLER):
            key = writer.series(app, series)
            writer.advance(app, key, instance.id, Stream(1, 2, 3, 4, {}))
            cells = pack({5: 1, 9: 2}) if series is STATEMENT else b""
            for step in DETAIL_STEPS:
                times = [NOW - age - (NOW - age) % step for age in ages]
                writer.add_details(step, [(app, key, t, Detail(3, 30, cells)) for t in times])
        writer.add_texts(app, {"d1": "SELECT 1"})
        writer.add_notes(app, [SITE._replace(time_ns=seen * 10**9)])
        return app


def count(store, table):
    """Count the rows of a table."""
    return store._writer.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


@pytest.mark.parametrize("step", DETAIL_STEPS)
def test_details_of_one_slot_are_added(store, step):
    """Calls, time and histogram; a caller has no histogram."""
    app = fill(store, [0, 0, 0])

    with store.reading() as reader:
        selection = Selection(app, STATEMENT_DURATION, None, step, 0, 1 << 33, each=True)
        (statement,) = reader.details(selection)
        (cells,) = reader.detail_cells(selection).values()
        (caller,) = reader.details(selection._replace(metric=CALLER_TIME))
    assert (statement.n, statement.total, cells) == (9, 90, {5: 3, 9: 6})
    assert (caller.n, caller.total) == (9, 90)
    assert count(store, f"detail_{step}") == 2


def test_each_tier_of_details_keeps_its_time(store):
    """10 s rows for 2 hours, 60 s for 13, 600 s for 4 days, hours and days for as long as asked for."""
    fill(store, [HOUR, 3 * HOUR, 14 * HOUR, 5 * DAY, 29 * DAY, 32 * DAY])

    store.expire(NOW)

    assert [count(store, f"detail_{step}") // 2 for step in DETAIL_STEPS] == [1, 2, 3, 5, 4]
    assert [tier.keep for tier in detail_tiers(HOUR)] == [HOUR] * 5


def test_what_is_long_gone_leaves_nothing(store):
    """Neither texts nor notes of statements that nobody has called for as long as anything is kept."""
    fill(store, [32 * DAY], seen=NOW - 32 * DAY)

    assert store.expire(NOW) > 0

    tables = ["app", "instance", "series", "stream", "text", "note", *(f"detail_{step}" for step in DETAIL_STEPS)]
    assert {table: count(store, table) for table in tables} == dict.fromkeys(tables, 0)
    assert store.expire(NOW) == 0


def test_an_old_note_is_kept_while_its_statement_is(store):
    """A statement that was slow two months ago and runs today still has its place in the code."""
    app = fill(store, [0])
    with store.writing() as writer:
        writer.add_notes(app, [Note("gone", "a", (NOW - 60 * DAY) * 10**9, "{}")])
        writer.add_notes(app, [Note("op", "old", (NOW - 60 * DAY) * 10**9, "{}")])
        writer.add_notes(app, [Note("recent", "a", (NOW - DAY) * 10**9, "{}")])

    store.expire(NOW)

    with store.reading() as reader:
        assert [(note.operation, note.name) for note in reader.notes(app)] == [
            ("op", "wsgiapm.sql.site slow"),
            ("recent", "a"),
            ("op", "old"),
        ]
        assert reader.texts(app) == {"d1": "SELECT 1"}


def test_the_newest_note_of_each_name_is_kept(store):
    """Whatever the order in which they come."""
    app = fill(store, [])
    with store.writing() as writer:
        for t, words in ((5, "new"), (3, "old"), (5, "same time")):
            writer.add_notes(app, [Note("op", "x", t, words)])

    with store.reading() as reader:
        assert [note.attributes for note in reader.notes(app) if note.name == "x"] == ["new"]


def test_notes_are_bounded(store, monkeypatch):
    """The oldest go first, and only of that app."""
    monkeypatch.setattr(writer_module, "MAX_NOTES", 3)
    app = fill(store, [])
    with store.writing() as writer:
        other = writer.app("other", "")
        writer.add_notes(other, [Note("op", "a", 1, "{}")])
        writer.add_notes(app, [Note(f"op {i}", "a", i, "{}") for i in range(9)])

    with store.reading() as reader:
        assert [note.operation for note in reader.notes(app)] == ["op", "op 8", "op 7"]
        assert len(reader.notes(other)) == 1


def test_a_text_stays_as_it_was_first_given(store):
    """Each once, also beyond ASCII."""
    app = fill(store, [])
    with store.writing() as writer:
        writer.add_texts(app, {"d1": "other", "d2": "SELECT 'é\0'"})

    with store.reading() as reader:
        assert reader.texts(app) == {"d1": "SELECT 1", "d2": "SELECT 'é\0'"}
