# SPDX-License-Identifier: Apache-2.0
"""Statements and their callers: booked as requests are, in tiers of their own."""

from __future__ import annotations

import json

import pytest

from tests.collector.messages import LogMessage, Message
from wsgiapm.collector.detail_ledger import account_of
from wsgiapm.collector.events import keep_events
from wsgiapm.collector.ingest import ingest
from wsgiapm.store.model import (
    CALLER_CALLS,
    CALLER_REPETITIONS,
    CALLER_TIME,
    DETAIL_STEPS,
    STATEMENT_DURATION,
    Selection,
    Series,
)

NOW = 1_800_000_000
FAST, SLOW = -60, -20


def report(calls, *, time=NOW, start=NOW - 5, uid="one", text="SELECT ?"):
    """A report of so many calls of one statement, a quarter of them slow, by one transaction."""
    message = Message(start=start, time=time, uid=uid)
    attributes = {"wsgiapm__operation": "00ff", "db__system__name": "mysql", "db__query__text": text}
    cells = {FAST: calls - calls // 4, SLOW: calls // 4}
    message.histogram(cells, total=calls * 0.25, name=STATEMENT_DURATION, **attributes)
    caller = {"http__route": "/x/", "wsgiapm__operation": "00ff"}
    message.sum(calls, name=CALLER_CALLS, unit="{call}", **caller)
    message.sum(calls * 0.25, name=CALLER_TIME, unit="s", **caller)
    message.sum(calls // 8, name=CALLER_REPETITIONS, unit="{transaction}", **caller)
    return message


def take(store, message, *, now=None):
    """Ingest a message and return what was refused."""
    return ingest(store, message.request, round((now or message._time) * 10**9))


def read(store, metric, step, *, start=0, end=1 << 33):
    """Return calls, seconds and cells of a metric in a tier."""
    selection = Selection(1, metric, None, step, start, end, each=True)
    with store.reading() as reader:
        amounts = reader.details(selection)
        cells = reader.detail_cells(selection).values()
    calls, seconds = sum(amount.n for amount in amounts), sum(amount.total for amount in amounts) / 10**9
    return calls, seconds, {bucket: n for histogram in cells for bucket, n in histogram.items()}


@pytest.mark.parametrize("step", DETAIL_STEPS)
def test_every_tier_has_the_same(store, step):
    """After a late report that is spread, a repeated one, a reset and a second instance."""
    for message in (
        report(8),
        report(16, time=NOW + 10),
        report(16, time=NOW + 10),
        report(816, time=NOW + 700),
        report(4, start=NOW + 705, time=NOW + 710),
        report(8, time=NOW + 710, start=NOW + 705, uid="two"),
    ):
        assert take(store, message).count == 0

    calls, seconds, cells = read(store, STATEMENT_DURATION, step)
    assert (calls, seconds) == (828, pytest.approx(207))
    assert cells == {FAST: 621, SLOW: 207}
    assert read(store, CALLER_TIME, step) == (828, pytest.approx(207), {})
    late = read(store, STATEMENT_DURATION, step, start=NOW + 600, end=NOW + 1200)
    assert 0 < late[0] < 828 or step > 600


def test_only_details_have_rows_and_only_there(store):
    """Nothing of them is in the tables of other metrics, and no total is made of them."""
    take(store, report(8))

    with store.reading() as reader:
        for metric in (STATEMENT_DURATION, CALLER_TIME, CALLER_REPETITIONS):
            for each in (True, False):
                assert (
                    reader.amounts(Selection(1, metric, None, 10, 0, 1 << 33, each=each), step=0, by_series=True) == []
                )
        assert len(reader.series(1, CALLER_TIME)) == 1
    assert read(store, CALLER_CALLS, 10) == (0, 0, {})


def test_calls_and_time_of_a_caller_share_a_row(store):
    """Half the rows of what there is most of."""
    calls = Series(CALLER_CALLS, "sum", "{call}", "/x/", "{}")
    time = Series(CALLER_TIME, "sum", "s", "/x/", "{}")

    assert account_of(calls) == account_of(time) == time


def test_calls_sent_as_doubles_stay_whole(store):
    """Spread over 60 slots they still are what was sent."""
    take(store, Message(start=NOW - 5, time=NOW).sum(0.0, name=CALLER_CALLS, unit="{call}", http__route="/x/"))
    late = Message(start=NOW - 5, time=NOW + 590).sum(77.0, name=CALLER_CALLS, unit="{call}", http__route="/x/")

    assert take(store, late).count == 0

    assert read(store, CALLER_TIME, 10) == (77, 0, {})


def test_a_text_is_kept_once_and_series_name_it(store):
    """However long it is, and whichever series it is of; a very long one is cut off."""
    text = "SELECT '" + "x" * 20_000
    message = report(8, text=text)
    message.histogram({FAST: 1}, name=STATEMENT_DURATION, db__query__text=text, error__type="E", wsgiapm__operation="1")

    assert take(store, message).count == 0

    with store.reading() as reader:
        (kept,) = reader.texts(1).items()
        attributes = [series["db.query.text"] for series in reader.series(1, STATEMENT_DURATION).values()]
    assert kept[1] == text[: 16 * 1024]
    assert attributes == [kept[0]] * 2


def test_raw_texts_of_one_shape_are_series_of_their_own(store):
    """`record_sql=raw` sends many texts of one fingerprint: their cumulative sums must not be taken for one another's."""
    for calls in (8, 16):
        for text in ("SELECT 1", "SELECT 2"):
            assert take(store, report(calls, time=NOW + calls, text=text)).count == 0

    assert read(store, STATEMENT_DURATION, 10)[0] == 32
    with store.reading() as reader:
        assert sorted(reader.texts(1).values()) == ["SELECT 1", "SELECT 2"]


def test_places_and_plans_are_notes_and_no_events(store):
    """The newest of each reason; they are not in the list of what happened."""
    message = LogMessage()
    for time, line in ((NOW - 20, 1), (NOW - 10, 2)):
        for reason in ("slow", "n_plus_one"):
            attributes = {"wsgiapm__operation": "00ff", "reason": reason, "code__line__number": line}
            message.record("wsgiapm.sql.site", time=time, **attributes)
    message.record("wsgiapm.sql.plan", wsgiapm__operation="00ff", plan="SCAN")

    assert keep_events(store, message.request, NOW * 10**9).count == 0

    with store.reading() as reader:
        notes = {note.name: json.loads(note.attributes) for note in reader.notes(1)}
        assert reader.events(1, start=0, end=1 << 33, limit=99) == []
    assert {name: note.get("code.line.number", note.get("plan")) for name, note in notes.items()} == {
        "wsgiapm.sql.site slow": 2,
        "wsgiapm.sql.site n_plus_one": 2,
        "wsgiapm.sql.plan": "SCAN",
    }


@pytest.mark.parametrize(
    "attributes",
    [{}, {"wsgiapm__operation": ""}, {"wsgiapm__operation": 1}, {"wsgiapm__operation": "x" * 65}]
    + [{"wsgiapm__operation": "op", "reason": reason} for reason in (1, "x" * 65)],
)
def test_a_place_of_nothing_is_refused(store, attributes):
    """With the reason, and without harm to what comes with it."""
    message = LogMessage().record("wsgiapm.sql.site", **attributes).record("wsgiapm.worker.died", worker=1)

    refusals = keep_events(store, message.request, NOW * 10**9)

    assert (refusals.count, "wsgiapm.sql.site" in refusals.reasons) == (1, True)
    with store.reading() as reader:
        assert (len(reader.notes(1)), len(reader.events(1, start=0, end=1 << 33, limit=9))) == (0, 1)
