# SPDX-License-Identifier: Apache-2.0
"""Booking reports: what is counted, when, and what is late."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.collector.messages import DELTA, DURATION, Message
from wsgiapm.collector.ingest import ingest
from wsgiapm.errors import StoreError
from wsgiapm.store import writer as writer_module
from wsgiapm.store.model import STEPS, Selection
from wsgiapm.store.sqlite import SqliteStore

T = 1_800_000_000
START = T - 5


def take(store, message, now=None):
    """Ingest a message at the server's time ``now`` (by default, the message's)."""
    return ingest(store, message.request, round((message._time if now is None else now) * 10**9))


def rows(store, metric=DURATION, tier=10, app=1):
    """Return {t: (n, total, late)} of a metric."""
    with store.reading() as reader:
        selection = Selection(app, metric, None, tier, 0, 1 << 40)
        return {a.slot: (a.n, a.total, a.late) for a in reader.amounts(selection, step=tier, by_series=False)}


def count(store, metric=DURATION, tier=3600, app=1):
    """Return how many observations a tier has."""
    return sum(n for n, _, _ in rows(store, metric, tier, app).values())


def test_a_first_report_that_is_near_its_start_is_booked_at_its_time(store):
    """All of it, not late, durations in nanoseconds."""
    refusals = take(store, Message(start=T - 8, time=T).requests({-27: 3}, total=0.3))

    assert refusals.count == 0
    assert rows(store) == {T: (3, 0.3e9, 0)}


def test_only_the_difference_is_booked(store):
    """The second report adds what is new in it, in its own slot."""
    take(store, Message(start=START, time=T).requests({-27: 3}, total=0.3))
    take(store, Message(start=START, time=T + 10).requests({-27: 4, -20: 1}, total=0.7))

    assert {t: row[0] for t, row in rows(store).items()} == {T: 3, T + 10: 2}
    assert sum(row[1] for row in rows(store).values()) == pytest.approx(0.7e9)


def test_all_tiers_have_the_same(store):
    """They are written together, cells too."""
    take(store, Message(start=T - 3000, time=T).requests({-27: 1000, 5: 77}))

    with store.reading() as reader:
        for step in STEPS:
            cells = {}
            for cell in reader.cells(Selection(1, DURATION, None, step, 0, 1 << 40), step=0, by_series=False):
                cells[cell.bucket] = cells.get(cell.bucket, 0) + cell.n
            assert cells == {-27: 1000, 5: 77}
    assert [count(store, tier=step) for step in STEPS] == [1077] * 4


def test_repeating_a_report_changes_nothing(store):
    """The sender did not hear our answer and sends it again."""
    message = Message(start=START, time=T).requests({-27: 3}).gauge(5, name="g").sum(7, name="s")
    take(store, message)
    before = {metric: rows(store, metric) for metric in (DURATION, "g", "s")}

    assert take(store, message).count == 0

    assert {metric: rows(store, metric) for metric in before} == before


def test_a_report_that_was_overtaken_changes_nothing(store):
    """The newer one had all that it has."""
    take(store, Message(start=START, time=T + 10).requests({-27: 5}))
    take(store, Message(start=START, time=T).requests({-27: 3}))

    assert count(store) == 5


def test_a_lost_report_is_healed_by_the_next(store):
    """It is booked when it comes; 20 seconds are no delay worth marking."""
    take(store, Message(start=START, time=T).requests({-27: 3}))
    take(store, Message(start=START, time=T + 20).requests({-27: 9}))

    assert {t: row[::2] for t, row in rows(store).items()} == {T: (3, 0), T + 20: (6, 0)}


def test_what_comes_late_is_spread_and_marked(store):
    """After a minute without reports, the difference is spread over that minute."""
    take(store, Message(start=START, time=T).requests({-27: 3}))
    take(store, Message(start=START, time=T + 60).requests({-27: 15}))

    late = {t: row[::2] for t, row in rows(store).items() if row[2]}
    assert late == {T + 10 * i: (2, 2) if i else (5, 2) for i in range(6)}
    assert count(store) == 15


def test_a_server_that_starts_late_gets_it_all(store):
    """The app ran for a minute without a server: all of it is booked, spread since its start, and marked late."""
    take(store, Message(start=T - 60, time=T).requests({-27: 600}))

    assert count(store) == 600
    assert sum(row[2] for row in rows(store).values()) == 600
    assert {row[0] for row in rows(store).values()} == {100}


def test_a_sender_that_reports_seldom_is_not_late(store):
    """Other SDKs report once a minute: it is spread, and from the second time on not marked."""
    for i in range(4):
        take(store, Message(start=START, time=T + 60 * i).requests({-27: 6 * (i + 1)}))

    late_after = [row[2] for t, row in rows(store).items() if t >= T + 60]
    assert sum(late_after) == 0
    assert len(rows(store)) == 18


def test_a_new_route_of_a_known_instance_is_not_late(store):
    """It has the start of the instance, days ago, but it was not there at the last report."""
    take(store, Message(start=T - 86400, time=T).requests({-27: 1}))
    take(store, Message(start=T - 86400, time=T + 10).requests({-27: 1}).requests({-27: 2}, route="/new/"))

    assert rows(store)[T + 10] == (2, rows(store)[T + 10][1], 0)


def test_one_report_may_come_in_several_requests(store):
    """The second part, of the same time, is measured against the report before both."""
    take(store, Message(start=T - 86400, time=T).requests({-27: 1}))
    take(store, Message(start=T - 86400, time=T + 10).requests({-27: 2}))
    take(store, Message(start=T - 86400, time=T + 10).requests({-27: 2}, route="/new/"))

    assert rows(store)[T + 10][::2] == (3, 0)


@given(
    st.lists(
        st.tuples(st.integers(0, 7), st.dictionaries(st.integers(-70, 70), st.integers(1, 9), max_size=8)),
        min_size=1,
        max_size=6,
    )
)
def test_a_sender_may_go_to_a_coarser_scale(tmp_path_factory, steps):
    """As the values spread, histograms of bounded size lose resolution; they lose no count, and none goes down."""
    store = SqliteStore(str(tmp_path_factory.mktemp("scales") / "x.db"), 30 * 86400)
    scale, cells = 5, {}
    for i, (coarser, more) in enumerate(steps):
        for bucket, n in more.items():
            index = bucket if scale >= 5 else bucket >> (5 - scale)
            cells[index] = cells.get(index, 0) + n
        if coarser >= 5:
            scale -= 1
            cells, fine = {}, cells
            for bucket, n in fine.items():
                cells[bucket >> 1] = cells.get(bucket >> 1, 0) + n
        message = Message(start=START, time=T + 10 * i).requests(
            dict(sorted(cells.items())), scale=scale, total=float(i)
        )
        assert take(store, message).count == 0

    assert count(store) == sum(n for _, more in steps for n in more.values())
    store.close()


def test_a_new_start_is_a_reset(store):
    """The app's shared directory was made anew: what was counted before stays, the new sum is added."""
    take(store, Message(start=START, time=T).requests({-27: 100}))
    take(store, Message(start=T + 5, time=T + 10).requests({-27: 7}))
    take(store, Message(start=T + 5, time=T + 20).requests({-27: 8}))

    assert count(store) == 108


def test_two_processes_with_one_identity_are_told(store):
    """The older start is refused instead of resetting the newer for ever."""
    for i in range(5):
        take(store, Message(start=T - 3, time=T + 10 * i).requests({-27: 10 * (i + 1)}))
        refused = take(store, Message(start=T - 9, time=T + 10 * i + 1).requests({-27: 1000}))

    assert refused.count == 1
    assert "one instance" in refused.message
    assert count(store) == 50


def test_a_sum_that_goes_down_is_told_and_not_counted(store):
    """Nothing becomes negative, and counting goes on from there."""
    take(store, Message(start=START, time=T).requests({-27: 100}))
    refused = take(store, Message(start=START, time=T + 10).requests({-27: 40}))
    take(store, Message(start=START, time=T + 20).requests({-27: 41}))

    assert refused.count == 1
    assert "went down" in refused.message
    assert {t: row[0] for t, row in rows(store).items()} == {T: 100, T + 20: 1}


def test_counters_and_gauges_are_kept(store):
    """Whole counters stay whole, seconds become nanoseconds, what goes up and down is a value."""
    for i in (1, 2):
        message = Message(start=START, time=T + 10 * i)
        message.sum(5 * i, name="c").sum(0.25 * i, name="seconds", unit="s")
        message.sum(7 - i, name="active", monotonic=False).gauge(0.5, name="wsgiapm.apdex.threshold", unit="s")
        take(store, message)

    assert {t: row[1] for t, row in rows(store, "c").items()} == {T + 10: 5, T + 20: 5}
    assert {t: row[1] for t, row in rows(store, "seconds").items()} == {T + 10: 0.25e9, T + 20: 0.25e9}
    assert {t: row[1] for t, row in rows(store, "active").items()} == {T + 10: 6, T + 20: 5}
    assert {t: row[1] for t, row in rows(store, "wsgiapm.apdex.threshold").items()} == {T + 10: 0.5e9, T + 20: 0.5e9}


def test_apps_environments_and_instances_are_apart(store):
    """The same series of two instances adds up; another environment is another app to the store."""
    take(store, Message(start=START, time=T, uid="one").requests({-27: 1}))
    take(store, Message(start=START, time=T, uid="two").requests({-27: 2}))
    take(store, Message(start=START, time=T, uid="one", environment="test").requests({-27: 4}))
    take(store, Message(start=START, time=T, app="other", uid="one").requests({-27: 8}))

    assert [count(store, app=app) for app in (1, 2, 3)] == [3, 4, 8]


def test_a_clock_ahead_of_ours_does_not_put_numbers_into_the_future(store):
    """They are booked now, and the differences stay right."""
    take(store, Message(start=T + 3595, time=T + 3600).requests({-27: 3}), now=T)
    take(store, Message(start=T + 3595, time=T + 3610).requests({-27: 5}), now=T + 10)

    assert {t: row[0] for t, row in rows(store).items()} == {T: 3, T + 10: 2}


def test_what_a_tier_no_longer_keeps_is_not_written_to_it(store):
    """A sum of a week is spread over that week, in the tiers that reach so far."""
    take(store, Message(start=T - 7 * 86400, time=T).requests({-27: 6000}))

    assert [count(store, tier=step) for step in STEPS] == [200, 1700, 6000, 6000]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Message(start=START, time=T, temporality=DELTA).requests({-27: 1}), "cumulative"),
        (Message(start=START, time=T, temporality=DELTA).sum(1, name="c"), "cumulative"),
        (Message(start=0, time=T).requests({-27: 1}), "start time"),
        (Message(start=T + 1, time=T).requests({-27: 1}), "starts after"),
        (Message(start=0, time=0).gauge(1, name="g"), "no time"),
        (Message(start=START, time=T, uid="").requests({-27: 1}), "service.instance.id"),
        (Message(start=START, time=T, app="a" * 256).requests({-27: 1}), "255"),
        (Message(start=START, time=T).requests({-27: 1}, route="/" * 5000), "4096"),
        (Message(start=START, time=T).gauge(float("nan"), name="g"), "finite"),
        (Message(start=START, time=T).gauge(float("inf"), name="g", unit="s"), "finite"),
        (Message(start=START, time=T).sum(2**62, name="c"), "plausible"),
        (Message(start=START, time=T).requests({-27: 1}, total=1e300), "plausible"),
        (Message(start=START, time=T).requests({-27: 2**62}, total=1.0), "implausibly"),
        (Message(start=START, time=T).gauge(1, name=""), "name"),
    ],
)
def test_what_cannot_be_stored_is_refused_and_told(store, message, reason):
    """One point, one reason; nothing of it is kept, and what comes with it is."""
    message.request.resource_metrics.add().CopyFrom(
        Message(start=START, time=T).sum(1, name="good").request.resource_metrics[0]
    )

    refusals = ingest(store, message.request, T * 10**9)

    assert refusals.count == 1
    assert reason in refusals.message
    assert sum(row[1] for row in rows(store, "good").values()) == 1


def test_a_summary_is_refused(store):
    """Its quantiles cannot be added."""
    message = Message(start=START, time=T)
    message._metrics.add(name="old").summary.data_points.add(time_unix_nano=T * 10**9, count=1)

    assert "summary" in take(store, message).message


def test_points_that_say_nothing_was_recorded_are_passed_over(store):
    """OTLP's flag for a series that has ended."""
    message = Message(start=START, time=T).gauge(1, name="g")
    message.request.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points[0].flags = 1

    assert take(store, message).count == 0
    assert rows(store, "g") == {}


def test_too_many_series_are_refused(store, monkeypatch):
    """A runaway attribute fills neither memory nor disk; known series go on."""
    monkeypatch.setattr(writer_module, "MAX_SERIES", 3)  # two and their total
    message = Message(start=START, time=T)
    for i in range(5):
        message.requests({-27: 1}, route=f"/{i}/")

    refusals = take(store, message)

    assert (refusals.count, refusals.message) == (3, "3 x the app has too many series")
    assert count(store) == 2


def test_without_room_for_its_total_a_series_is_refused(store, monkeypatch):
    """The table of transactions must not have what the app has not; with room again, nothing is missing."""
    monkeypatch.setattr(writer_module, "MAX_SERIES", 1)
    message = Message(start=START, time=T).requests({-27: 3})

    assert take(store, message).count == 1
    assert count(store) == 0
    monkeypatch.setattr(writer_module, "MAX_SERIES", 2)
    assert take(store, message).count == 0

    assert count(store) == 3


def test_too_many_reasons_are_summed_up(store):
    """The message stays readable."""
    message = Message(start=START, time=T)
    for scale in range(30, 40):
        message.histogram({1: 1}, scale=scale, name="h")

    refusals = take(store, message)

    assert refusals.count == 10
    assert refusals.message.endswith("and 5 further reasons")


def test_a_request_is_kept_whole_or_not_at_all(store):
    """If the disk fills up in the middle, the next cumulative report brings everything, once."""
    take(store, Message(start=START, time=T).requests({-27: 3}))
    (pages,) = store._writer.execute("PRAGMA page_count").fetchone()
    store._writer.execute(f"PRAGMA max_page_count = {pages}")
    message = Message(start=START, time=T + 10).requests({-27: 4})
    for i in range(2000):
        message.requests({-27: 1}, route=f"/{i}/")
    with pytest.raises(StoreError):
        take(store, message)
    store._writer.execute("PRAGMA max_page_count = 1000000")

    assert count(store) == 3
    message._time = T + 20
    take(store, message)
    assert count(store) == 2004


def test_attributes_and_resource_are_kept_as_they_came(store):
    """Strings and integers; booleans and fractions as text."""
    message = Message(start=START, time=T).requests({-27: 1}, status=404, error="404")
    take(store, message)

    with store.reading() as reader:
        whole, one = sorted(reader.series(1, DURATION).values(), key=len)
    assert whole == {"http.request.method": "GET", "http.response.status_code": 404, "error.type": "404"}
    assert one == {"http.route": "/x/", **whole}
    (resource,) = store._writer.execute("SELECT attributes FROM instance").fetchone()
    assert json.loads(resource)["service.name"] == "shop"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.floats(0.5, 500),
            st.sampled_from(["report", "lost", "repeated", "restart of the app", "refused by a full disk"]),
            st.dictionaries(st.integers(-60, 40), st.integers(0, 9), max_size=6),
        ),
        max_size=15,
    )
)
def test_whatever_happens_on_the_way_the_total_is_right(tmp_path_factory, steps):
    """Lost, repeated and failed reports, pauses and restarts: in the end each observation is counted once."""
    store = SqliteStore(str(tmp_path_factory.mktemp("laws") / "x.db"), 30 * 86400)
    now = start = T
    cells, arrived, finished = {}, {}, {}
    for pause, happening, more in steps:
        if happening == "restart of the app":
            for bucket, n in arrived.items():
                finished[bucket] = finished.get(bucket, 0) + n
            start, cells, arrived = now + 0.1, {}, {}
        now += pause
        for bucket, n in more.items():
            cells[bucket] = cells.get(bucket, 0) + n
        if happening == "lost":
            continue
        # Of two transactions, and not only durations.
        message = Message(start=start, time=now).requests(cells).requests(cells, route="/y/", status=404)
        message.sum(sum(cells.values()), name="s", http__route="/x/")
        if happening == "refused by a full disk":
            with pytest.raises(StoreError), store.writing():
                ingest_inside(message, store, now)
            continue
        for _ in range(1 + (happening == "repeated")):
            assert take(store, message).count == 0
        arrived = dict(cells)
    for bucket, n in arrived.items():
        finished[bucket] = finished.get(bucket, 0) + n

    with store.reading() as reader:
        found = {}
        for cell in reader.cells(Selection(1, DURATION, "/x/", 3600, 0, 1 << 40), step=0, by_series=False):
            found[cell.bucket] = cell.n
        check_totals(reader)
    assert found == {bucket: n for bucket, n in finished.items() if n}
    store.close()


def check_totals(reader):
    """The whole app has, slot by slot and in every tier, what its transactions have together."""
    for metric, tier in itertools.product((DURATION, "s"), STEPS):
        whole = Selection(1, metric, None, tier, 0, 1 << 40)
        each = whole._replace(each=True)
        amounts, parts = (reader.amounts(part, step=tier, by_series=False) for part in (whole, each))
        assert [(a.slot, a.n, a.late) for a in amounts] == [(a.slot, a.n, a.late) for a in parts]
        assert [a.total for a in amounts] == pytest.approx([a.total for a in parts])
        assert reader.cells(whole, step=tier, by_series=False) == reader.cells(each, step=tier, by_series=False)


def ingest_inside(_message, store, _now):
    """Stand in for a disk that fills up: the transaction has written, and cannot commit."""
    store._writer.execute("INSERT INTO app (name, environment) VALUES ('half', '')")
    msg = "disk full"
    raise StoreError(msg)
