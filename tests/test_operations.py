# SPDX-License-Identifier: Apache-2.0
"""Every call of a library is counted once, by what it calls and by who calls it, whatever is busy, full or dead."""

from __future__ import annotations

import sys
import threading
from contextvars import copy_context

import pytest

from tests.aggregate.counting import (
    MILLISECOND,
    by_route,
    die,
    dropped,
    family,
    finish,
    histograms,
    index_held,
    record,
    recorder_at,
    run,
    started,
)
from wsgiapm import tracing
from wsgiapm.aggregate import schema
from wsgiapm.aggregate.merge import merge
from wsgiapm.clock import monotonic_ns
from wsgiapm.exporters.prometheus import render
from wsgiapm.locked_recorder import make_recorder
from wsgiapm.span import CACHE, DB, TEMPLATE, Operation, identify
from wsgiapm.transaction import CURRENT


@pytest.fixture
def shared(tmp_path):
    """The path of a shared directory."""
    return str(tmp_path / "shop")


@pytest.fixture
def recorder(shared):
    """A recorder in it."""
    recorder = recorder_at(shared)
    yield recorder
    recorder.instance.close()


def select(number=0, table="goods"):
    """A statement; those with different numbers differ in their text alone."""
    return Operation(
        f"SELECT {table}",
        DB,
        schema.DB_DURATION,
        (
            ("db.collection.name", table),
            ("db.operation.name", "SELECT"),
            ("db.query.text", f"SELECT c{number} FROM {table}"),
            ("db.system.name", "sqlite"),
            ("wsgiapm.operation", f"{number:016x}"),
        ),
    )


GOODS = select()


class Clock:
    """Stands still while nobody moves it."""

    now = 1_000_000_000

    def __call__(self):
        return self.now


CLOCK = Clock()


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    CLOCK.now = Clock.now  # when transactions begin, see `started`
    monkeypatch.setattr(tracing, "monotonic_ns", CLOCK)


def call(transaction, operation, duration=MILLISECOND, error=None, within=None):
    """A call that takes so long, within which `within` is called."""
    token = CURRENT.set(transaction)
    begun = CLOCK.now
    span = tracing.begin(transaction, operation)
    if within is not None:
        within()
    CLOCK.now = begun + duration
    tracing.end(span, error)
    CURRENT.reset(token)


def end(recorder, transaction, route, duration):
    """The end of a request, as the middleware has it."""
    finish(recorder, transaction, duration)
    recorder.operations.finish(transaction.breakdown, route)


def calls(snapshot, name=schema.DB_DURATION):
    """How many calls were counted, by their attributes."""
    return {point.attributes: point.count for point in histograms(snapshot, name)}


def components(snapshot):
    """Seconds by component, over all routes."""
    sums = {}
    for attributes, value in family(snapshot, schema.COMPONENT_TIME).items():
        name = dict(attributes)["component"]
        sums[name] = sums.get(name, 0) + value
    return sums


def test_calls_are_counted_by_what_they_call(recorder, shared):
    """The public metric adds up the statements that differ in nothing public; each is by itself in the other one."""
    transaction = started(recorder)
    for operation in (GOODS, GOODS, select(1), select(2, "orders")):
        call(transaction, operation, 3 * MILLISECOND)
    call(transaction, GOODS, 5 * MILLISECOND, "sqlite3.OperationalError")
    snapshot = merge(shared)
    public = (("db.collection.name", "goods"), ("db.operation.name", "SELECT"), ("db.system.name", "sqlite"))

    assert calls(snapshot) == {
        public: 3,
        (("db.collection.name", "orders"), *public[1:]): 1,
        (*public, ("error.type", "sqlite3.OperationalError")): 1,
    }
    assert sorted(calls(snapshot, schema.STATEMENT_DURATION).values()) == [1, 1, 1, 2]
    texts = {dict(attributes)["db.query.text"] for attributes in calls(snapshot, schema.STATEMENT_DURATION)}
    assert texts == {"SELECT c0 FROM goods", "SELECT c1 FROM goods", "SELECT c2 FROM orders"}
    total = sum(point.sum for point in histograms(snapshot))
    for name in (schema.DB_DURATION, schema.STATEMENT_DURATION):
        assert sum(point.sum for point in histograms(snapshot, name)) == pytest.approx(total + 0.017)


def test_prometheus_is_shown_names_it_knows_and_no_statement(recorder, shared):
    """Thousands of statements would be thousands of series there; they go by OTLP alone."""
    transaction = started(recorder)
    call(transaction, GOODS)
    end(recorder, transaction, "/", 5 * MILLISECOND)
    text = render(merge(shared)).decode()

    assert 'db_client_operation_duration_seconds_count{db_collection_name="goods",' in text
    assert 'wsgiapm_component_time_seconds_total{component="db",http_route="/"} 0.001' in text
    assert "c0" not in text
    assert "caller" not in text
    assert "statement" not in text
    assert family(merge(shared), schema.CALLER_CALLS)


def test_where_the_time_went_adds_up_to_the_whole(recorder, shared):
    """Seven components, each of what is its own, over routes, statuses, and requests that call nothing."""
    transaction = started(recorder, "/a")
    page = Operation("page.html", TEMPLATE, hides=False)
    call(transaction, page, 9 * MILLISECOND, within=lambda: call(transaction, GOODS, 4 * MILLISECOND))
    call(transaction, Operation("GET", CACHE, schema.DB_DURATION), 2 * MILLISECOND)
    end(recorder, transaction, "/a", 20 * MILLISECOND)
    record(recorder, "/a", 3 * MILLISECOND, status=500)
    record(recorder, "/b", 7 * MILLISECOND)
    snapshot = merge(shared)

    assert components(snapshot) == pytest.approx({"python": 0.019, "template": 0.005, "db": 0.004, "cache": 0.002})
    assert sum(components(snapshot).values()) == pytest.approx(sum(point.sum for point in histograms(snapshot)))


def test_of_a_stream_only_what_came_before_its_first_byte_counts(recorder, shared):
    """An hour of queries within a stream whose request took a millisecond must not make Python's time negative."""
    transaction = started(recorder, "/events")
    call(transaction, GOODS, 3 * MILLISECOND)
    transaction.breakdown.freeze(transaction.start, transaction.start + 4 * MILLISECOND)
    call(transaction, GOODS, 3600 * 1000 * MILLISECOND)
    end(recorder, transaction, "/events", 4 * MILLISECOND)
    upgraded = started(recorder, "/socket")
    call(upgraded, GOODS, 60 * MILLISECOND)
    end(recorder, upgraded, "/socket", 0)

    assert components(merge(shared)) == pytest.approx({"python": 0.001, "db": 0.003})


def test_components_go_where_their_request_goes(shared):
    """A route beyond the cap is `(other)` with all of its time, so that no route has less than nothing of Python."""
    recorder = recorder_at(shared, max_series=12)
    for number in range(40):
        transaction = started(recorder, f"/{chr(97 + number % 26)}{chr(97 + number // 26)}")
        call(transaction, GOODS, 9 * MILLISECOND)
        end(recorder, transaction, "/x", 10 * MILLISECOND)
    snapshot = merge(shared)
    shares = family(snapshot, schema.COMPONENT_TIME)

    assert by_route(snapshot)["(other)"] > 20
    for route, count in by_route(snapshot).items():
        assert shares[("component", "db"), (schema.ROUTE, route)] == pytest.approx(0.009 * count)
        assert shares[("component", "python"), (schema.ROUTE, route)] == pytest.approx(0.001 * count)
    recorder.instance.close()


def test_who_calls_what_and_how_often(recorder, shared):
    """By route and operation: calls, their time, and in how many transactions they were five or more."""
    commit = Operation("COMMIT", DB, schema.DB_DURATION, (("db.operation.name", "COMMIT"),))
    for times in (4, 5, 6):
        transaction = started(recorder, "/list")
        for _ in range(times):
            call(transaction, GOODS, 2 * MILLISECOND)
        call(transaction, commit)
        end(recorder, transaction, "/list", 100 * MILLISECOND)
    snapshot = merge(shared)
    ours = ((schema.ROUTE, "/list"), ("wsgiapm.operation", f"{0:016x}"))
    theirs = ((schema.ROUTE, "/list"), ("wsgiapm.operation", identify(commit)))

    assert family(snapshot, schema.CALLER_CALLS) == {ours: 15, theirs: 3}
    assert family(snapshot, schema.CALLER_TIME) == pytest.approx({ours: 0.030, theirs: 0.003})
    assert family(snapshot, schema.CALLER_REPETITIONS) == {ours: 2}
    known = {dict(attributes)["wsgiapm.operation"] for attributes in calls(snapshot, schema.STATEMENT_DURATION)}
    assert known == {ours[1][1], theirs[1][1]}


def test_a_busy_index_delays_calls_and_loses_none(recorder, shared):
    """Nor their callers; when the index is free again they are what they would have been."""
    with index_held(shared):
        transaction = started(recorder, "/a")
        for number in range(3):
            call(transaction, select(number))
        recorder.operations.finish(transaction.breakdown, "/a")
        assert calls(merge(shared)) == {}
        assert family(merge(shared), schema.CALLER_CALLS) == {}
    recorder.work_off()

    assert sum(calls(merge(shared)).values()) == sum(calls(merge(shared), schema.STATEMENT_DURATION).values()) == 3
    assert sum(family(merge(shared), schema.CALLER_CALLS).values()) == 3


def test_too_many_statements_are_other_and_leave_the_requests_alone(shared):
    """All calls are counted, those beyond the quota are told of, and routes find room as if there were no SQL."""
    recorder = recorder_at(shared, max_series=60)
    transaction = started(recorder, "/report")
    for number in range(400):
        call(transaction, select(number), 3 * MILLISECOND)
    end(recorder, transaction, "/report", 2000 * MILLISECOND)
    for number in range(40):
        record(recorder, f"/{'abcdefgh'[number % 8]}{'abcdefgh'[number // 8]}")
    snapshot = merge(shared)
    told = {tuple(dict(key).values()): value for key, value in family(snapshot, schema.DROPPED).items()}

    assert sum(calls(snapshot).values()) == 400
    other = [n for attributes, n in calls(snapshot).items() if dict(attributes)["db.operation.name"] == "(other)"]
    assert other == [told["max_series", "operation"]] == [400 - 28]  # of 30, two are those of the others themselves
    assert sum(family(snapshot, schema.CALLER_CALLS).values()) == 400
    assert told["max_series", "caller"] == 400 - 30
    assert "(other)" not in by_route(snapshot)
    assert dropped(snapshot)["max_series"]
    assert ("operation: max_series", "SELECT goods") in recorder.instance.index.examples
    recorder.instance.close()


def test_statements_leave_half_of_the_room(shared):
    """Whatever time they take and however long they are, requests that come later have their own series and cells."""
    recorder = recorder_at(shared, budget=700 * 1024)
    transaction = started(recorder, "/report")
    for number in range(300):
        for octave in range(36):
            recorder.operations.count(select(number, "x" * 500), None, 1000 << octave)
    recorder.forget(transaction)
    for number in range(12):
        for octave in range(8):
            record(recorder, f"/{'abcdefgh'[number % 8]}{'abcdefgh'[number // 8]}", MILLISECOND << octave)
    snapshot = merge(shared)

    assert sum(calls(snapshot).values()) == 300 * 36
    assert "(other)" not in by_route(snapshot)
    assert len(by_route(snapshot)) == 12
    assert dropped(snapshot)["budget"]
    recorder.instance.close()


def test_calls_of_all_workers_add_up_and_outlive_them(shared):
    """A worker that is killed has counted its calls; who takes its place goes on counting."""

    def work():
        recorder = recorder_at(shared)
        transaction = started(recorder, "/a")
        for _ in range(7):
            call(transaction, GOODS)
        end(recorder, transaction, "/a", 10 * MILLISECOND)
        die()

    assert [run(work) for _ in range(3)] == [-9, -9, -9]
    recorder = recorder_at(shared)
    transaction = started(recorder, "/a")
    call(transaction, GOODS)
    end(recorder, transaction, "/a", 10 * MILLISECOND)
    snapshot = merge(shared)

    assert list(calls(snapshot).values()) == [22]
    assert list(family(snapshot, schema.CALLER_CALLS).values()) == [22]
    assert components(snapshot) == pytest.approx({"python": 0.018, "db": 0.022})
    recorder.instance.close()


def test_the_child_of_a_fork_counts_nothing_of_its_parents(recorder, shared):
    """What it still runs is the parent's, and must not be counted twice."""
    transaction = started(recorder, "/a")
    call(transaction, GOODS)

    def child():
        recorder.leave()
        call(transaction, GOODS)

    assert run(child) == 0
    assert sum(calls(merge(shared)).values()) == 1


def _work_in_threads(recorder, count):
    """Threads that make calls in one transaction, switched as often as can be; returns the transaction when it has ended."""
    transaction = started(recorder, "/a")
    tracing.monotonic_ns, transaction.start = monotonic_ns, monotonic_ns()
    token = CURRENT.set(transaction)
    operations = [select(number) for number in range(3)]

    def work():
        for number in range(count):
            tracing.end(tracing.begin(transaction, operations[number % 3]))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=copy_context().run, args=(work,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    CURRENT.reset(token)
    return transaction, monotonic_ns()


@pytest.mark.parametrize("has_lock", [True, False])
def test_threads_of_one_transaction_count_exactly(shared, monkeypatch, has_lock):
    """Each of their calls, also where the interpreter has no global lock; no component is negative, and they add up."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: has_lock, raising=False)
    first = recorder_at(shared)
    recorder = make_recorder(first.instance, max_series=2000, error_status=())
    transaction, now = _work_in_threads(recorder, 600)
    shares = transaction.breakdown.components(transaction.start, now)
    recorder.operations.finish(transaction.breakdown, "/a")
    recorder.work_off()

    assert sum(calls(merge(shared)).values()) == 2400
    assert sum(family(merge(shared), schema.CALLER_CALLS).values()) == 2400
    assert min(shares) >= 0
    assert sum(shares) == now - transaction.start
    assert not transaction.breakdown.active
    recorder.instance.close()


def test_without_a_global_lock_counting_holds_ours(shared, monkeypatch):
    """A thread that counts is kept out while another one is in the middle of it."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    first = recorder_at(shared)
    recorder = make_recorder(first.instance, max_series=2000, error_status=())
    transaction = started(recorder, "/a")
    call(transaction, GOODS)
    for doing in (
        lambda: recorder.operations.count(GOODS, None, 1),
        lambda: recorder.operations.finish(transaction.breakdown, "/a"),
    ):
        thread = threading.Thread(target=doing, daemon=True)
        with recorder._lock:
            thread.start()
            thread.join(0.05)
            assert thread.is_alive()
        thread.join(30)
        assert not thread.is_alive()
    recorder.instance.close()


def test_ignored_transactions_call_nothing(recorder, shared):
    """What is to be left out of everything is left out here."""
    transaction = started(recorder)
    transaction.ignore()

    assert tracing.begin(transaction, GOODS) is None
    assert calls(merge(shared)) == {}
