# SPDX-License-Identifier: Apache-2.0
"""Settling what a dead process left: exact, by route, and able to stop after any single store."""

from __future__ import annotations

import os
import signal
from functools import partial
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.aggregate.counting import (
    APDEX_T,
    MILLISECOND,
    SHOP,
    LimitedCells,
    LimitedOwner,
    aborted,
    by_route,
    by_status,
    die,
    dropped,
    family,
    finish,
    fork,
    header_word,
    histograms,
    in_flight,
    join_patiently,
    no_free_row,
    record,
    recorder_at,
    run,
    started,
    wait,
)
from wsgiapm.aggregate import layout, schema
from wsgiapm.aggregate.adoption import Settlement, aborted_before, committed, find_left, needs_settling
from wsgiapm.aggregate.in_flight import read_rows
from wsgiapm.aggregate.instance import BusyError, Instance, join
from wsgiapm.aggregate.merge import merge
from wsgiapm.aggregate.orphans import settle_orphans
from wsgiapm.aggregate.schema import UNKNOWN


class StoppedError(Exception):
    """This process 'dies' here."""


def stop():
    """Die, as far as a test can."""
    raise StoppedError


def abandon(shared, *, waiting=0, rowless=0, counting=0, timed_out=False):
    """Leave a segment as a killed process would: 5 finished, 3 running, and what is asked for. Returns how many began."""
    recorder = recorder_at(shared)
    for number in range(5):
        record(recorder, f"/done{number % 2}")
    for name in ("/a", "/b", "/b"):
        started(recorder, name, "POST")
    with no_free_row(recorder):
        for _ in range(rowless):
            started(recorder, "/rowless")
    for _ in range(counting):
        # Died between the commit and freeing the row: counted already.
        transaction = started(recorder, "/counted")
        row = transaction.row
        saved = recorder.cells[row : row + 4].tolist()
        finish(recorder, transaction)
        recorder.cells[row + 1] = saved[1] + 1
        recorder.cells[row] = saved[0]
    directory = recorder.instance.directory
    assert directory is not None
    recorder.instance.index._log.lock = lambda: False
    for number in range(waiting):
        finish(
            recorder,
            started(recorder, f"/{'wx'[number % 2]}"),
            (number + 1) * 400 * MILLISECOND,
            200 + 300 * (number % 2),
        )
    if timed_out:
        recorder.cells[layout.TIMED_OUT] = 1
    begun = recorder.cells[layout.BEGUN]
    recorder.instance.close()
    return begun


def totals(shared):
    """Everything about requests that settling must not change, as a reader sees it."""
    snapshot = merge(shared)
    requests = {point.attributes: (point.count, point.cells) for point in histograms(snapshot)}
    zones = family(snapshot, schema.APDEX_REQUESTS)
    return requests, zones, dict(aborted(snapshot)), sum(family(snapshot, schema.WORKER_REQUESTS).values())


def test_what_was_running_is_aborted_by_route(shared):
    """Each request that ran counts once, under the route known then; finished ones are left as they are."""
    abandon(shared)
    before = totals(shared)
    instance = join(shared, SHOP)
    found = instance.begin(APDEX_T)

    assert sorted((a.route, a.reason, a.count) for a in found) == [
        ("/a", "killed", 1),
        ("/b", "killed", 1),
        ("/b", "killed", 1),
    ]
    assert all(a.row is not None and a.row.method == "POST" for a in found)
    assert totals(shared) == before
    assert aborted(merge(shared)) == {"/a": 1, "/b": 2}
    assert in_flight(merge(shared)) == 0
    instance.close()


def test_a_worker_that_was_told_to_end_is_a_timeout(shared):
    """The reason tells a request that took too long from a worker that was killed."""
    abandon(shared, timed_out=True)
    instance = join(shared, SHOP)

    assert {a.reason for a in instance.begin(APDEX_T)} == {"timeout"}
    assert {dict(attributes)["reason"] for attributes in family(merge(shared), schema.ABORTED_REQUESTS)} == {"timeout"}
    instance.close()


def test_requests_without_a_row_are_aborted_without_a_route(shared):
    """More requests than rows: how many they were is known, not what they were."""
    abandon(shared, rowless=4)
    before = totals(shared)
    join_patiently(shared).close()

    assert totals(shared) == before
    assert aborted(merge(shared)) == {"/a": 1, "/b": 2, UNKNOWN: 4}


def test_what_had_been_counted_is_not_aborted(shared):
    """A row that is still there after its commit is no request that was running."""
    abandon(shared, counting=3)
    before = totals(shared)
    join_patiently(shared).close()

    assert totals(shared) == before
    assert aborted(merge(shared)) == {"/a": 1, "/b": 2}
    assert by_route(merge(shared))["/counted"] == 3


def test_what_had_ended_and_waited_is_finished(shared):
    """A request that ended while the index was busy is nobody's loss: route, status, duration and Apdex come through."""
    abandon(shared, waiting=6)
    before = totals(shared)
    snapshot = merge(shared)
    assert by_route(snapshot) == {"/done0": 3, "/done1": 2, "(unknown)": 6}
    instance = join(shared, SHOP)
    assert sorted(a.route for a in instance.begin(APDEX_T)) == ["/a", "/b", "/b"]

    assert totals(shared) == before
    snapshot = merge(shared)
    assert by_status(snapshot) == {200: 8, 500: 3}
    assert sum(p.sum for p in histograms(snapshot)) == pytest.approx(5 * 0.001 + 0.4 * 21)
    assert family(snapshot, schema.APDEX_REQUESTS)[(schema.ROUTE, "(unknown)"), ("zone", "frustrated")] == 3
    instance.close()


def test_what_waited_keeps_a_name_the_index_knows(shared):
    """Only a name that could not be entered any more is unknown."""
    recorder = recorder_at(shared)
    transaction = started(recorder, "/known")
    recorder.instance.index._log.lock = lambda: False
    finish(recorder, transaction)
    recorder.instance.close()
    join_patiently(shared).close()

    assert by_route(merge(shared)) == {"/known": 1}


@pytest.mark.parametrize(
    "left", [{}, {"waiting": 4}, {"rowless": 2, "counting": 2}, {"waiting": 3, "counting": 2, "rowless": 1}]
)
def test_a_settler_may_die_after_any_store(shared, left):
    """After each single store: a reader's totals are unchanged, and settling anew gives the same."""
    begun = abandon(shared, **left)
    before = totals(shared)
    instance = join(shared, SHOP)
    instance.use_table(0)
    words = bytes(instance.cells.cast("B"))
    for stores in count():
        with open(f"{shared}/segment-0", "r+b") as file:
            file.write(words)
        stopped = False
        try:
            assert Settlement(instance.index, LimitedOwner(instance, stores, stop)).settle()
        except StoppedError:
            stopped = True
            assert totals_of_the_dead(instance, shared) == before
            assert Settlement(instance.index, instance).settle()
        cells = instance.cells
        assert totals_of_the_dead(instance, shared) == before, f"after {stores} stores"
        assert not needs_settling(cells)
        assert cells[layout.BEGUN] == begun
        assert begun == committed(instance.index, cells) + aborted_before(instance.index.series, cells)
        if not stopped:
            break
    assert stores > 10
    instance.close()


def totals_of_the_dead(instance, shared):
    """The totals as a reader sees them when the settler has died, too."""
    directory = instance.directory
    assert directory is not None
    directory.unlock(layout.SEGMENT_LOCKS)
    instance.cells[layout.PID] = 0
    found = totals(shared)
    assert directory.try_lock(layout.SEGMENT_LOCKS)
    return found


def test_a_busy_index_lets_settling_wait(shared):
    """What cannot be written now is tried again; what has been counted is not counted again, and all of it is told."""
    abandon(shared, waiting=2)
    before = totals(shared)
    instance = join(shared, SHOP)
    real = instance.index._log.lock
    answers = iter([*[True] * 4, False])
    log = instance.index._log
    log.lock = lambda: real() if next(answers, False) else False
    with pytest.raises(BusyError):
        instance.begin(APDEX_T)
    log.lock = lambda: False
    with pytest.raises(BusyError):
        instance.begin(APDEX_T)
    assert totals(shared) == before
    log.lock = real
    found = instance.begin(APDEX_T)

    assert sorted(a.route for a in found) == ["/a", "/b", "/b"]
    assert totals(shared) == before
    instance.close()


def test_the_leader_settles_what_nobody_adopts(shared):
    """Without new processes requests in flight return to zero all the same, and it is told once."""
    leader = recorder_at(shared)

    def worker():
        recorder = recorder_at(shared)
        record(recorder, "/done")
        started(recorder, "/slow")
        die()

    assert run(worker) == -signal.SIGKILL
    ((number, found),) = settle_orphans(leader.instance)

    assert (number, found.route, found.reason, found.count) == (1, "/slow", "killed", 1)
    assert settle_orphans(leader.instance) == []
    assert aborted(merge(shared)) == {"/slow": 1}
    leader.instance.close()


class Witnessed:
    """Keeps what it is told."""

    told: list[str]

    def __init__(self, instance):
        self.told.append(f"pid {instance.cells[layout.PID] > 0}, rows {len(read_rows(instance.cells))}")

    def tell(self, aborted):
        """See `Witness`."""
        self.told += [entry.route for entry in aborted]


@pytest.mark.parametrize("adopt", [False, True])
def test_a_witness_sees_the_dead_before_they_are_settled(shared, adopt):
    """Adopter and leader let it look at the rows first, and tell it then what was aborted."""
    Witnessed.told = []
    leader = recorder_at(shared)
    assert run(lambda: (started(recorder_at(shared), "/slow"), die())) == -signal.SIGKILL
    if adopt:
        instance = join(shared, SHOP)
        instance.begin(APDEX_T, Witnessed)
        instance.close()
    else:
        settle_orphans(leader.instance, Witnessed)

    assert Witnessed.told == ["pid True, rows 1", "/slow"]
    leader.instance.close()


def test_a_segment_that_counted_too_much_is_set_right(shared):
    """After a settlement what began is what is committed and aborted, whatever went wrong before."""
    recorder = recorder_at(shared)
    transaction = started(recorder)
    finish(recorder, transaction)
    recorder.cells[layout.BEGUN] -= 1
    started(recorder, "/lost")
    recorder.instance.close()
    recorder = recorder_at(shared)
    started(recorder, "/found")
    recorder.instance.close()
    join_patiently(shared).close()

    assert aborted(merge(shared)) == {"/found": 1}


def test_no_room_for_a_new_route_is_no_loss(shared):
    """When the index is full the aborted are counted as unknown, and what waited as (other)."""
    abandon(shared, waiting=4)
    instance = join(shared, SHOP)
    instance.index._may_grow = lambda _: False
    instance.index._append = full
    instance.use_table(0)
    assert Settlement(instance.index, instance).settle()

    assert aborted(merge(shared)) == {UNKNOWN: 3}
    assert by_route(merge(shared)).total() == 9
    assert by_route(merge(shared))["(other)"] == 4
    instance.close()


def full(body):
    """There is no space left on the device."""
    raise OSError(28, "No space left on device")


def test_a_clean_segment_needs_nothing(shared):
    """A process that ended between requests leaves nothing to do, and its heir does nothing."""
    recorder = recorder_at(shared)
    record(recorder)
    recorder.instance.close()
    word = header_word(shared, 0, layout.SETTLEMENTS)
    instance = join(shared, SHOP)
    assert not needs_settling(instance.cells)
    assert find_left(instance.index, instance.cells) == ([], [])
    assert instance.begin(APDEX_T) == []
    assert header_word(shared, 0, layout.SETTLEMENTS) == word + 2
    instance.close()


steps = st.lists(st.sampled_from(["begin", "finish", "forget", "busy", "free", "die", "leader"]), max_size=25)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(steps)
def test_begun_is_committed_and_aborted_and_running_always(tmp_path_factory, steps):
    """Whatever happens in whatever order, after each step a reader finds every request that began exactly once."""
    shared = str(tmp_path_factory.mktemp("dir") / "shop")
    begun = done = 0
    recorder = recorder_at(shared)
    leader = join_patiently(shared)
    running = []
    for step in steps:
        if step == "begin":
            running.append(started(recorder, f"/{begun}"))
            begun += 1
        elif step == "finish" and running:
            finish(recorder, running.pop(0), status=200 + begun)
            done += 1
        elif step == "forget" and running:
            recorder.forget(running.pop())
            begun -= 1
        elif step == "busy":
            recorder.instance.index._log.lock = lambda: False
        elif step == "free":
            vars(recorder.instance.index._log).pop("lock", None)
            recorder.work_off()
        elif step == "die":
            recorder.instance.close()
            running.clear()
            recorder = recorder_at(shared)
        elif step == "leader":
            settle_orphans(leader)
        snapshot = merge(shared)
        waiting = len(recorder._waiting)
        assert by_route(snapshot).total() == done - waiting
        assert in_flight(snapshot) == len(running)
        assert aborted(snapshot).total() == begun - done - len(running)
    recorder.instance.close()
    leader.close()


def test_sigkill_at_random_instants_loses_nothing(shared):
    """Workers killed anywhere: what they had told us was finished is counted, and the rest is aborted or was running."""

    def worker(writing):
        recorder = recorder_at(shared)
        for number in count():
            os.write(writing, b"b")
            transaction = started(recorder, f"/{number % 50}")
            finish(recorder, transaction, number * 1000)
            os.write(writing, b"f")

    begun = done = 0
    for trial in range(12):
        reading, writing = os.pipe()
        pid = fork(partial(worker, writing))
        os.close(writing)
        seen = b""
        while len(seen) < 200 * (trial + 1):
            seen += os.read(reading, 100)
        os.kill(pid, signal.SIGKILL)
        assert wait(pid) == -signal.SIGKILL
        while more := os.read(reading, 65536):
            seen += more
        os.close(reading)
        begun += seen.count(b"b")
        done += seen.count(b"f")
        snapshot = merge(shared)

        assert by_route(snapshot).total() >= done
        assert begun - trial - 1 <= by_route(snapshot).total() + aborted(snapshot).total() <= begun
        assert in_flight(snapshot) == 0
    assert not dropped(snapshot)


def serve_until_stopped(shared, stores):
    """Requests of every kind, up to the store with this number; returns how many were begun and finished for certain."""
    recorder = recorder_at(shared)
    segment = recorder.instance.segment
    real = segment.cells
    log = recorder.instance.index._log
    told = [0, 0]

    def begin(route):
        told[0] += 1
        return started(recorder, route)

    def end(transaction, status=200):
        finish(recorder, transaction, status=status)
        told[1] += 1

    record(recorder, "/known")
    segment.cells = recorder.cells = LimitedCells(real, stores, stop)
    stopped = True
    try:
        first, second, third = begin("/known"), begin("/new"), begin("/third")
        end(first)
        log.lock = lambda: False
        end(second)
        end(begin("/fourth"), 500)
        del log.lock
        fifth = begin("/fifth")
        recorder.work_off()
        end(fifth)
        with no_free_row(recorder):
            end(begin("/rowless"))
        recorder.forget(third)
        told[0] -= 1
        stopped = False
    except StoppedError:
        pass
    segment.cells = recorder.cells = real
    recorder.instance.close()
    return told[0], told[1], stopped


def test_a_settler_that_found_the_index_busy_tells_everything_later(shared):
    """It has counted nothing before: the witness hears once of all that was running, and no request is counted twice."""
    abandon(shared)
    heir = join_patiently(shared)
    heir.close()
    recorder = recorder_at(shared)
    for name in ("/new/a", "/new/b"):
        started(recorder, name)
    segment = recorder.instance.segment
    abandoned = Instance(recorder.instance.header, recorder.instance.index, segment, recorder.instance.directory)
    abandoned.use_table(recorder.instance.table_number)
    log = recorder.instance.index._log
    heard = []

    class Witness:
        """Remembers what it is told."""

        def tell(self, aborted):
            """Take it down."""
            heard.append(sorted(entry.route for entry in aborted))

    log.lock = lambda: False
    assert abandoned.settle(lambda _: Witness()) is None
    assert heard == []
    assert aborted(merge(shared)).total() == 3 + 2
    del log.lock
    again = Instance(recorder.instance.header, recorder.instance.index, segment, recorder.instance.directory)
    again.use_table(recorder.instance.table_number)
    assert again.settle(lambda _: Witness()) is not None

    assert heard == [["/new/a", "/new/b"]]
    assert aborted(merge(shared)).total() == 3 + 2
    recorder.instance.close()


def test_a_worker_may_die_after_any_store(tmp_path):
    """At each single store of a request's life: what it told was finished is, the rest is aborted, nothing counts twice."""
    for stores in count():
        shared = str(tmp_path / f"shop-{stores}")
        begun, done, stopped = serve_until_stopped(shared, stores)
        read = merge(shared)
        join_patiently(shared).close()
        settled = merge(shared)
        for snapshot in (read, settled):
            counted, lost = by_route(snapshot).total() - 1, aborted(snapshot).total()
            assert done <= counted <= done + 1, f"after {stores} stores"
            # Of one that is being ignored half is undone.
            assert begun - 1 <= counted + lost <= begun + (begun == 4 and done == 5), f"after {stores} stores"
            assert in_flight(snapshot) == 0
        if not stopped:
            break
    assert stores > 50
