# SPDX-License-Identifier: Apache-2.0
"""Free rows: the slow way to one, what is done there for processes without a harvest thread, and what a failure leaves."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.aggregate.counting import (
    aborted,
    by_route,
    by_status,
    finish,
    finished,
    in_flight,
    join_patiently,
    record,
    recorder_at,
    started,
)
from wsgiapm import clock
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.merge import merge
from wsgiapm.config import resolve
from wsgiapm.ending import finish as end
from wsgiapm.harvest import Harvester
from wsgiapm.request import RequestTransaction


@pytest.fixture
def shared(tmp_path):
    """The path of a shared directory."""
    return str(tmp_path / "shop")


@pytest.fixture
def recorder(shared):
    """A recorder in a segment of its own."""
    recorder = recorder_at(shared)
    yield recorder
    recorder.instance.close()


def test_somebody_looks_after_a_process_without_a_thread(recorder, shared):
    """Once in 128 requests a step is taken; no row gets lost, and none is given to two."""
    steps = []
    recorder.look_after(lambda: steps.append(1))
    for _ in range(320):
        record(recorder)
    running = [started(recorder) for _ in range(layout.ROWS + 10)]

    assert len(steps) >= 2
    rows = [transaction.row for transaction in running if transaction.row]
    assert len(set(rows)) == len(rows) == layout.ROWS
    for transaction in running:
        finish(recorder, transaction)
    assert sorted(recorder._free + recorder._freed) == sorted(rows)
    assert finished(shared) == 320 + layout.ROWS + 10
    assert in_flight(merge(shared)) == 0


def test_with_a_thread_nothing_is_looked_after(recorder):
    """There the rows that are freed are at hand at once, as ever the last one first."""
    first = started(recorder)
    finish(recorder, first)
    assert recorder._freed is recorder._free
    assert started(recorder).row == first.row


def test_without_a_thread_the_directory_is_put_back(recorder, shared, monkeypatch):
    """With harvest_mode=external the requests themselves do it, when an interval has passed; totals are as before."""
    now = [clock.monotonic_ns()]
    monkeypatch.setattr(clock, "monotonic_ns", lambda: now[0])
    settings = resolve({"shared_dir": shared, "harvest_mode": "external", "harvest_interval": 10}).settings
    harvester = Harvester(recorder.instance, settings, recorder)
    assert not harvester.started
    recorder.look_after(harvester.look_after)
    for _ in range(200):
        record(recorder, "/before")
    shutil.rmtree(shared)
    for _ in range(200):
        record(recorder, "/before")
    assert not os.path.exists(shared)
    now[0] += 11_000_000_000
    for _ in range(200):
        record(recorder, "/before")

    assert by_route(merge(shared)) == {"/before": 600}
    assert in_flight(merge(shared)) == 0
    assert recorder.cells[layout.LAST_HARVEST] == now[0]


class Source:
    """Counts what goes wrong."""

    recorder = None
    failures = 0

    def start(self):
        """Nothing to record with."""
        return self.recorder

    def failed(self):
        """An exception is being handled."""
        self.failures += 1


def request(recorder, route="/x", status=200):
    """A request that has begun, as the middleware has it."""
    transaction = RequestTransaction()
    transaction.start = clock.monotonic_ns()
    transaction.given_name = transaction.error = transaction.breakdown = None
    transaction.first_byte = transaction.queue = transaction.size = 0
    transaction.finished = transaction.ignored = False
    transaction.status = status
    transaction.method = started(recorder).method
    recorder.forget(started(recorder))
    recorder.begin(transaction, route)
    return transaction


@pytest.mark.parametrize("place", ["_count", "_find", "_add"])
def test_what_the_recorder_fails_to_count_is_counted_as_other(recorder, shared, monkeypatch, place):
    """Whatever breaks off in `finish`, before it has counted: the request is there, its row is free, and we hear of it."""
    before = len(recorder._free)
    source, broken = Source(), [True]
    original = getattr(recorder, place)

    def break_off(*arguments):
        if broken[0]:
            broken[0] = False
            raise RuntimeError(place)
        return original(*arguments)

    transaction = request(recorder, status=503)
    running = before - len(recorder._free)
    monkeypatch.setattr(recorder, place, break_off)
    end(source, recorder, transaction)

    assert source.failures == 1
    assert by_status(merge(shared)).total() == 1
    assert by_route(merge(shared)) == {"(other)": 1}
    assert before - len(recorder._free) == running - 1


def test_what_was_counted_is_not_counted_again(recorder, shared, monkeypatch):
    """A failure after that leaves the count as it is."""
    source = Source()

    def fail(*_):
        raise RuntimeError

    transaction = request(recorder)
    monkeypatch.setattr(recorder, "work_off", fail)
    end(source, recorder, transaction)

    assert source.failures == 1
    assert by_route(merge(shared)) == {"/x": 1}


def test_a_request_that_waits_is_left_to_wait(recorder, shared, monkeypatch):
    """One whose series is to be added later keeps its row, whatever fails after that."""
    source = Source()
    transaction = request(recorder)
    transaction.queue = 5
    recorder.instance.index._log.lock = lambda: False
    monkeypatch.setattr(recorder._queue, "record", lambda _: 1 // 0)
    end(source, recorder, transaction)
    del recorder.instance.index._log.lock
    recorder.work_off()

    assert source.failures == 1
    assert by_route(merge(shared)) == {"/x": 1}


def test_a_count_that_cannot_be_made_at_all_is_aborted(recorder, shared, monkeypatch):
    """When not even (other) can be counted in, the row is free all the same; the request counts as aborted in the end."""
    source = Source()
    transaction = request(recorder)
    running = in_flight(merge(shared))
    monkeypatch.setattr(recorder, "_add", lambda *_: 1 // 0)
    end(source, recorder, transaction)
    assert source.failures == 2
    assert in_flight(merge(shared)) == running - 1
    recorder.instance.close()
    join_patiently(shared).close()

    assert aborted(merge(shared)).total() == running
