# SPDX-License-Identifier: Apache-2.0
"""The recorder: whatever comes, each transaction counts exactly once."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
import time
from collections import Counter

import pytest

from tests.aggregate.counting import (
    MILLISECOND,
    aborted,
    by_route,
    by_status,
    dropped,
    family,
    finish,
    finished,
    histograms,
    in_flight,
    no_free_row,
    record,
    recorder_at,
    started,
)
from wsgiapm.aggregate import layout, schema
from wsgiapm.aggregate.merge import merge
from wsgiapm.places import method_and_scheme
from wsgiapm.transaction import Transaction


def make_busy(recorder):
    """Let the index be busy, as if another process were writing it."""
    recorder.instance.index._log.lock = lambda: False


def make_free(recorder):
    """Undo that."""
    vars(recorder.instance.index._log).pop("lock", None)


def test_a_request_is_in_flight_until_it_is_finished(recorder, shared):
    """Never in both states, never in none."""
    transaction = started(recorder, "/a/b/c")
    assert (in_flight(merge(shared)), finished(shared)) == (1, 0)
    finish(recorder, transaction, 7 * MILLISECOND)
    assert (in_flight(merge(shared)), finished(shared)) == (0, 1)
    (point,) = histograms(merge(shared))

    assert dict(point.attributes) == {
        schema.METHOD: "GET",
        schema.ROUTE: "/a/b",
        schema.STATUS: 200,
        schema.SCHEME: "http",
    }
    assert point.sum == 0.007


def test_a_given_name_is_the_route(recorder, shared):
    """What the framework says goes before what the path looks like, also while it runs and if it is killed then."""
    transaction = started(recorder, "/walks/7")
    transaction.name = "/walks/<int:pk>/"
    running = started(recorder, "/walks/8")
    running.name = "/walks/<int:pk>/"
    finish(recorder, transaction)
    recorder.instance.close()
    heir = recorder_at(shared)

    assert by_route(merge(shared)) == {"/walks/<int:pk>/": 1}
    assert aborted(merge(shared)) == {"/walks/<int:pk>/": 1}
    heir.instance.close()


def test_what_is_not_found_has_no_route_of_its_own(recorder, shared):
    """Scanners would fill the index; a view of the app's own that answers 404 keeps its name."""
    record(recorder, "/wp-admin/setup.php", status=404)
    transaction = started(recorder, "/walks/9")
    transaction.name = "/walks/<int:pk>/"
    finish(recorder, transaction, status=404)

    assert by_route(merge(shared)) == {"(not found)": 1, "/walks/<int:pk>/": 1}


def test_an_ignored_request_leaves_no_trace(recorder, shared):
    """Neither finished nor aborted nor in flight."""
    recorder.forget(started(recorder))
    with no_free_row(recorder):
        without_row = started(recorder)
    recorder.forget(without_row)

    assert (in_flight(merge(shared)), finished(shared)) == (0, 0)
    assert recorder.cells[layout.BEGUN] == recorder.cells[layout.ROWLESS] == 0


def test_more_requests_than_rows_are_counted(recorder, shared):
    """2,048 at once have a row each; more are counted without one, and every one of them is finished in the end."""
    running = [started(recorder, f"/{number % 7}/x") for number in range(layout.ROWS + 500)]
    assert in_flight(merge(shared)) == layout.ROWS + 500
    for transaction in running[::2] + running[1::2]:
        finish(recorder, transaction)

    assert in_flight(merge(shared)) == 0
    assert finished(shared) == layout.ROWS + 500
    assert len(set(recorder._free)) == len(recorder._free) == layout.ROWS


def test_routes_beyond_the_cap_are_counted_as_other(shared):
    """Totals stay exact by status and method, and how many requests lost their route is told exactly, again and again."""
    recorder = recorder_at(shared, max_series=30)
    for number in (*range(500), *range(500)):
        name = f"/{'abcdefghij'[number % 10]}{'abcdefghij'[number // 10 % 10]}{'abcdefghij'[number // 100]}"
        record(recorder, name, status=(200, 201, 503)[number % 3])
    snapshot = merge(shared)

    assert by_route(snapshot).total() == 1000
    assert by_status(snapshot) == {200: 334, 201: 334, 503: 332}
    assert dropped(snapshot)["max_series"] == by_route(snapshot)["(other)"] > 900
    assert len(recorder.instance.index.series) <= 30 + 200
    recorder.instance.close()


def test_an_attacker_cannot_make_memory_grow(shared):
    """Thousands of paths, methods and statuses: neither index nor caches grow beyond their limits."""
    recorder = recorder_at(shared, max_series=50)
    for number in range(20_000):
        transaction = started(recorder, f"/{number}x/{number}y", method=f"M{number}", scheme=f"s{number}")
        finish(recorder, transaction, status=number % 1000)

    assert len(recorder._entries) <= 100
    assert sum(map(len, recorder._paths.values())) <= 4096
    assert len(recorder.instance.index.names) <= 101
    assert len(recorder.instance.index.series) <= 250
    assert finished(shared) == 20_000
    recorder.instance.close()


def test_a_busy_index_delays_and_loses_nothing(recorder, shared):
    """While another process writes the index requests of new series wait, then all of them are counted."""
    record(recorder, "/known")
    make_busy(recorder)
    for number in range(100):
        record(recorder, f"/{'ab'[number % 2]}", duration=number * MILLISECOND, status=200 + number % 3)
    record(recorder, "/known")
    assert by_route(merge(shared)) == {"/known": 2}
    assert in_flight(merge(shared)) == 0
    make_free(recorder)
    recorder.work_off()
    recorder.work_off()

    assert by_route(merge(shared)) == {"/known": 2, "/a": 50, "/b": 50}
    assert sum(point.sum for point in histograms(merge(shared))) == pytest.approx(0.002 + sum(range(100)) / 1000)
    assert len(recorder._free) == layout.FIRST_ROWS
    recorder.instance.close()
    recorder_at(shared).instance.close()
    assert not aborted(merge(shared))


def test_what_waits_is_counted_with_the_next_new_series(recorder, shared):
    """Nobody has to wait for the next harvest."""
    make_busy(recorder)
    record(recorder, "/waits")
    make_free(recorder)
    record(recorder, "/new")

    assert by_route(merge(shared)) == {"/waits": 1, "/new": 1}


def test_an_index_that_stays_busy_costs_bounded_memory(shared):
    """When its holder was stopped for good, ever new series end as (other): exact in number, and said so."""
    recorder = recorder_at(shared, max_series=50)
    make_busy(recorder)
    for number in range(6000):
        record(recorder, f"/{number % 2000:x}", status=200 + number % 2000)

    snapshot = merge(shared)
    waiting = len(recorder._waiting)
    assert waiting <= layout.ROWS
    assert by_route(snapshot)["(other)"] == dropped(snapshot)["busy"] > 1000
    assert by_route(snapshot).total() + waiting == 6000
    make_free(recorder)
    recorder.work_off()
    assert finished(shared) == 6000
    recorder.instance.close()


def test_rows_of_those_who_wait_leave_room_for_those_who_run(recorder, shared):
    """Some rows are always left to them; what is beyond that counts as (other), lest it be lost with us."""
    make_busy(recorder)
    for _ in range(layout.ROWS):
        record(recorder, "/new")

    assert len(recorder._free) >= 15
    assert len(recorder._waiting) + by_route(merge(shared))["(other)"] == layout.ROWS


def test_cells_another_process_was_given_are_mapped_before_use(shared):
    """A block that others have added in a chunk we have not mapped yet is no trap, for requests and queue times."""
    ours, theirs = recorder_at(shared), recorder_at(shared)
    record(ours, "/both")
    queued = started(ours, "/both")
    queued.queue = MILLISECOND
    finish(ours, queued)
    for number in range(900):
        record(theirs, f"/r{number}", duration=1 << (number % 40))
    for exponent in range(40):
        record(theirs, "/both", duration=1 << exponent)
        other = started(theirs, "/both")
        other.queue = 1 << exponent
        finish(theirs, other)
    merge(shared)
    ours.instance.refresh()
    assert ours.instance.segment.chunks < theirs.instance.segment.chunks
    for exponent in range(40):
        mine = started(ours, "/both")
        mine.queue = 1 << exponent
        finish(ours, mine, 1 << exponent)
    snapshot = merge(shared)

    assert by_route(snapshot)["/both"] == 2 + 80 + 40
    assert sum(point.count for point in histograms(snapshot, schema.QUEUE_TIME)) == 81
    ours.instance.close()
    theirs.instance.close()


def test_threads_count_exactly(recorder, shared):
    """Without any lock: the increments of one process do not get in each other's way."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def work(name):
        for number in range(2000):
            record(recorder, f"/{name}", duration=number, status=200 + number % 5)

    threads = [threading.Thread(target=work, args=("ab"[number % 2],)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    recorder.work_off()

    counts = by_route(merge(shared))
    assert counts.total() == 8000
    # A thread that meets another one at work on the index with nearly all rows taken does not wait.
    assert counts["(other)"] == dropped(merge(shared)).get("busy", 0)
    assert in_flight(merge(shared)) == 0
    assert sum(point.sum for point in histograms(merge(shared))) == pytest.approx(4 * sum(range(2000)) / 1e9)


def test_signal_handlers_and_finalisers_may_record(recorder, shared):
    """Whatever they interrupt, new series and blocks included, nothing is lost, doubled or waits for itself."""
    extra = []

    def handle(number, frame):
        extra.append("s")
        record(recorder, f"/signal{len(extra) % 50}", duration=1 << (len(extra) % 40))

    def collected(phase, info):
        if phase == "stop":
            extra.append("g")
            record(recorder, f"/gc{len(extra) % 50}", duration=1 << (len(extra) % 40))

    before = signal.signal(signal.SIGALRM, handle)
    gc.callbacks.append(collected)
    threshold = gc.get_threshold()
    gc.set_threshold(50)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    end = time.monotonic() + 2
    own = 0
    while time.monotonic() < end:
        own += 1
        record(recorder, f"/own{own % 400:x}x", duration=1 << (own % 40))
    signal.setitimer(signal.ITIMER_REAL, 0)
    gc.set_threshold(*threshold)
    gc.callbacks.remove(collected)
    signal.signal(signal.SIGALRM, before)
    recorder.work_off()

    assert {"s", "g"} == set(extra)
    assert finished(shared) == own + len(extra)
    assert in_flight(merge(shared)) == 0
    assert recorder.cells[layout.BEGUN] == own + len(extra)


class JobTimeoutError(Exception):
    """What a job queue raises out of its signal handler."""


def test_an_exception_out_of_a_signal_handler_leaves_the_index_usable(recorder, shared):
    """Wherever it hits, the index can be written afterwards, by us and by others, and says the same to all."""

    def handle(number, frame):
        raise JobTimeoutError

    before = signal.signal(signal.SIGALRM, handle)
    gc.disable()  # pytest would hear of it when it hits a callback of somebody else's
    hits = 0
    for number in range(120):
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0001 + number % 30 * 0.00002)
            for step in range(1000):
                record(recorder, f"/n{number}x{step % 300:x}y", duration=1 << (step % 40))
        except JobTimeoutError:
            hits += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    gc.enable()
    index = recorder.instance.index
    assert hits > 80
    recorder.instance.keep()
    assert not index.damaged
    assert index.add_name("/afterwards") is not None
    other = recorder_at(shared)
    theirs = other.instance.index
    for ours, same in zip(index.series, theirs.series, strict=True):
        assert (ours.head, ours.attributes) == (same.head, same.attributes)
        assert {n: b for n, b in ours.blocks.items() if any(b)} == same.blocks
    assert theirs.names == index.names
    assert theirs.add_name("/theirs") is not None
    other.instance.close()


def test_queue_times_are_a_histogram(recorder, shared):
    """One for the app; requests without the header are not in it."""
    for queue in (0, MILLISECOND, 3 * MILLISECOND):
        transaction = started(recorder)
        transaction.queue = queue
        finish(recorder, transaction)
    (point,) = histograms(merge(shared), schema.QUEUE_TIME)

    assert (point.attributes, point.count, point.sum) == ((), 2, 0.004)


def test_queue_times_without_room_are_counted_as_dropped(shared):
    """They are no transactions: they cost nobody anything."""
    recorder = recorder_at(shared)
    recorder.instance.index._append = lambda body: (_ for _ in ()).throw(OSError(28, "full"))
    transaction = started(recorder)
    transaction.queue = 5
    finish(recorder, transaction)

    assert finished(shared) == 1
    assert dropped(merge(shared))["budget"] >= 1
    recorder.instance.close()


def test_a_name_that_is_no_valid_text_reaches_everybody(recorder, shared):
    """A lone surrogate in a name given by the app must not stand in the way of an exporter for ever."""
    transaction = started(recorder)
    transaction.name = "/\udc80"
    finish(recorder, transaction)
    for point in histograms(merge(shared)):
        for _, value in point.attributes:
            str(value).encode()

    assert finished(shared) == 1


def test_the_series_of_two_error_ranges(shared):
    """A status in error_status is the error's type; an exception's name goes before it."""
    recorder = recorder_at(shared)
    for error in (None, "ValueError"):
        transaction = started(recorder)
        transaction.error = error
        finish(recorder, transaction, status=503)
    errors = sorted(str(dict(point.attributes)[schema.ERROR]) for point in histograms(merge(shared)))

    assert errors == ["503", "ValueError"]
    recorder.instance.close()


def test_methods_beyond_the_known_are_other(recorder, shared):
    """By the semantic conventions."""
    for method in ("PATCH", "PROPFIND", "", "get"):
        finish(recorder, started(recorder, method=method))
    methods = {str(dict(p.attributes)[schema.METHOD]): p.count for p in histograms(merge(shared))}

    assert methods == {"PATCH": 1, "_OTHER": 3}
    assert sum(family(merge(shared), schema.APDEX_REQUESTS).values()) == 4


def test_the_clock_may_jump(recorder, shared, monkeypatch):
    """Durations are monotonic time: wall time may go where it likes."""
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    record(recorder)
    assert histograms(merge(shared))[0].sum == 0.001
    assert os.path.exists(shared)


@pytest.mark.parametrize("has_row", [True, False])
def test_what_has_a_name_before_it_begins_is_counted_under_it(recorder, shared, has_row):
    """A transaction may be named before it begins; others of its path are not taken for it, nor it for them."""
    record(recorder, "/jobs")
    with contextlib.nullcontext() if has_row else no_free_row(recorder):
        for _ in range(2):
            named = Transaction()
            named.name = "send letters"
            named.start, named.method = 1_000_000_000, method_and_scheme("GET", "http")
            recorder.begin(named, "/jobs")
            finish(recorder, named)
        record(recorder, "/jobs")

    assert by_route(merge(shared)) == {"/jobs": 2, "send letters": 2}


def test_each_outcome_of_a_route_is_counted_apart(recorder, shared):
    """By status, error and method, by its name or by none, seen before or not: none is taken for another."""
    expected = Counter()
    for _ in range(3):
        for status in (200, 404, 500, None):
            for error in (None, "KeyError"):
                for name in (None, "/a", "view"):
                    transaction = started(recorder, "/a", method="POST" if status == 200 else "GET")
                    if name is not None:
                        transaction.name = name
                    transaction.error = error
                    finish(recorder, transaction, status=status)
                    expected["(not found)" if status == 404 and name is None else name or "/a", status, error] += 1
    counted = Counter()
    for point in histograms(merge(shared)):
        attributes = dict(point.attributes)
        status = attributes.get(schema.STATUS)
        error = attributes.get(schema.ERROR)
        counted[attributes[schema.ROUTE], status, None if error == "500" else error] += point.count
        assert attributes[schema.METHOD] == ("POST" if status == 200 else "GET")

    assert counted == expected


def test_an_answer_to_head_has_no_bytes(recorder, shared):
    """Whatever the app gives as its body: the client does not get it. Neither when it is first counted nor later."""
    for _ in range(3):
        transaction = started(recorder, "/a", method="HEAD")
        transaction.size = 1000
        finish(recorder, transaction)

    assert sum(family(merge(shared), schema.RESPONSE_SIZE).values()) == 0
