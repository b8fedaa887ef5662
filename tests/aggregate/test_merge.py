# SPDX-License-Identifier: Apache-2.0
"""Merging: laws, damaged files, and reading while everybody writes."""

from __future__ import annotations

import os
import signal
import struct
import time
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.aggregate.counting import (
    aborted,
    begin_patiently,
    by_route,
    die,
    family,
    fork,
    histograms,
    in_flight,
    join_patiently,
    record,
    recorder_at,
    run,
    started,
    wait,
)
from wsgiapm.aggregate import layout, schema
from wsgiapm.aggregate.adoption import Left
from wsgiapm.aggregate.index_file import Identity
from wsgiapm.aggregate.instance import alone, observe
from wsgiapm.aggregate.merge import _add, _Image, _sum_lanes, add_up, merge, take_snapshot
from wsgiapm.aggregate.plan import PIECE, Plan
from wsgiapm.aggregate.resource import Resource
from wsgiapm.aggregate.snapshot import NumberPoint
from wsgiapm.errors import SharedDirectoryError
from wsgiapm.recorder import Recorder

cells = st.lists(st.integers(0, 2**50), min_size=2, max_size=2)


PIECES = [(start, start + PIECE) for start in range(0, layout.CHUNK_BYTES, PIECE)]
PLAN = Plan(0, [layout.CHUNK_BYTES], PIECES, [2**128 - 1] + [0] * (len(PIECES) - 1))


def image(values):
    """A segment of one chunk with these cells in front."""
    data = bytes(layout.CELLS_OFFSET) + struct.pack("<2Q", *values)
    return _Image(0, True, data.ljust(layout.segment_size(1), b"\0"), [], Left([], []))


def sums(*segments):
    """The merged cells of some segments, each of whose workers has finished the sum of its own."""
    totals = _add(PLAN, [(number, image(values)) for number, values in enumerate(segments)])
    assert [worker.finished for worker in totals.workers] == [sum(values) for values in segments]
    return totals.cells[:2].tolist()


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50), st.integers(0, layout.CHUNK_CELLS - 50))
def test_the_lanes_of_a_big_integer_are_summed(lanes, empty):
    """Wherever they are, and whatever is in them, as far as the sum itself is less than 2**64 - 1."""
    number = int.from_bytes(struct.pack(f"<{empty}Q{len(lanes)}Q", *[0] * empty, *lanes), "little")
    assert _sum_lanes(number) == sum(lanes) % (2**64 - 1)


@given(cells, cells, cells)
def test_merging_is_adding(a, b, c):
    """Associative and commutative, nothing is neutral, and no lane carries into the next."""
    assert sums(a, b) == sums(b, a) == [x + y for x, y in zip(a, b, strict=True)]
    assert sums(sums(a, b), c) == sums(a, sums(b, c)) == sums(a, b, c)
    assert sums(a, [0, 0]) == sums(a) == a
    assert sums() == [0, 0]


def test_a_damaged_segment_is_left_out_and_named(shared):
    """A cell that is 2**63 or more would carry into its neighbours; the other segments are counted all the same."""
    good, bad = recorder_at(shared), recorder_at(shared)
    for recorder in (good, bad):
        record(recorder)
    bad.cells[bad.instance.index.series[-1].head] = 2**63
    directory = good.instance.directory
    assert directory is not None

    assert add_up(good.instance.index, directory, good.instance.header.epoch).damaged == [1]
    assert by_route(merge(shared)) == {"/": 1}
    bad.cells[bad.instance.index.series[-1].head] = 2**63 - 1
    assert by_route(merge(shared)) == {"/": 2}
    for recorder in (good, bad):
        recorder.instance.close()


@pytest.mark.parametrize("size", [0, 5, layout.PAGE, layout.CELLS_OFFSET + 12345])
def test_a_truncated_segment_is_no_error(shared, size):
    """What is missing of a dead process's file reads as nothing, and nobody dies of it."""
    good = recorder_at(shared)
    record(good)
    assert run(lambda: (record(recorder_at(shared)), die())) == -signal.SIGKILL
    os.truncate(f"{shared}/segment-1", size)

    assert by_route(merge(shared))["/"] in (1, 2)
    good.instance.close()


def test_a_strangers_file_is_passed_over(shared):
    """A named pipe or an unreadable name in the directory stops nobody."""
    recorder = recorder_at(shared)
    record(recorder)
    os.mkfifo(f"{shared}/segment-1")
    os.mkdir(f"{shared}/segment-2")
    os.symlink("/etc/passwd", f"{shared}/segment-3")

    assert by_route(merge(shared)) == {"/": 1}
    recorder.instance.close()


def test_random_damage_raises_nothing_else_than_what_is_promised(shared):
    """Bytes changed anywhere in any file: a merge gives numbers or a SharedDirectoryError."""
    chance = Random(7)
    for recorder in (recorder_at(shared), recorder_at(shared)):
        for number in range(20):
            record(recorder, f"/{number}")
        started(recorder, "/running")
        recorder.instance.close()
    whole = {}
    for name in os.listdir(shared):
        with open(f"{shared}/{name}", "rb") as file:
            whole[name] = file.read()
    for _ in range(150):
        name = chance.choice(["index", "segment-0", "segment-1"])
        data = bytearray(whole[name])
        for _ in range(chance.choice([1, 3, 50])):
            reach = chance.choice([100, 5000, 80_000, len(data)])
            data[chance.randrange(min(reach, len(data)))] = chance.randrange(256)
        with open(f"{shared}/{name}", "wb") as file:
            file.write(data[: chance.choice([len(data), chance.randrange(len(data))])])
        try:
            merge(shared)
        except SharedDirectoryError:
            assert name == "index"
        with open(f"{shared}/{name}", "wb") as file:
            file.write(whole[name])


def monotonic(snapshot):
    """Everything that must never go back: each cell of each histogram, and each sum."""
    found = {}
    for one in snapshot.families:
        for point in one.points:
            if one.kind == "histogram":
                found.update({(one.name, point.attributes, upper): n for upper, n in point.cells})
                found[one.name, point.attributes] = point.sum
            elif one.kind == "sum" and isinstance(point, NumberPoint):
                found[one.name, point.attributes] = point.value
    return found


def test_reading_while_writing_never_goes_back(shared):
    """Workers count, die, are adopted and settled, while a reader looks: no sum is ever smaller than before."""
    keeper = recorder_at(shared)

    def work(seed):
        chance = Random(seed)
        recorder = recorder_at(shared)
        for number in range(chance.randrange(200, 3000)):
            record(recorder, f"/{number % 40}", duration=chance.randrange(10**9))
        for number in range(5):
            started(recorder, f"/running{number % 3}")
        die()

    pids = {fork(lambda seed=seed: work(seed)) for seed in range(2)}
    seed, last, reads = 2, {}, 0
    end = time.monotonic() + 4
    while time.monotonic() < end:
        now = monotonic(merge(shared))
        back = {key: (value, now.get(key)) for key, value in last.items() if now.get(key, 0) < value}
        assert back == {}
        last, reads = now, reads + 1
        pid, _ = os.waitpid(-1, os.WNOHANG)
        if pid:
            pids.remove(pid)
            pids.add(fork(lambda seed=seed: work(seed)))
            seed += 1
    for pid in pids:
        wait(pid)
    keeper.instance.close()

    assert reads > 20
    assert aborted(merge(shared)).total() == 5 * seed
    assert in_flight(merge(shared)) == 0


def test_a_worker_counts_what_its_segment_has_finished(shared):
    """The counter of a worker is read from the same cells as the histograms."""
    recorders = [recorder_at(shared), recorder_at(shared)]
    for recorder, times in zip(recorders, (3, 5), strict=True):
        for number in range(times):
            record(recorder, f"/{number}")
        started(recorder)

    assert family(merge(shared), schema.WORKER_REQUESTS) == {(("worker", 0),): 3, (("worker", 1),): 5}
    for recorder in recorders:
        recorder.instance.close()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.lists(st.tuples(st.sampled_from(["/a", "/b"]), st.integers(0, 10**10), st.sampled_from([200, 404, 500]))))
def test_how_requests_are_spread_over_workers_makes_no_difference(tmp_path_factory, requests):
    """One process or three: the merged truth is the same."""
    answers = []
    for workers in (1, 3):
        shared = str(tmp_path_factory.mktemp("dir") / "shop")
        recorders = [recorder_at(shared) for _ in range(workers)]
        for number, (route, duration, status) in enumerate(requests):
            record(recorders[number % workers], route, duration, status)
        snapshot = merge(shared)
        answers.append(sorted((p.attributes, p.count, p.sum, p.cells) for p in histograms(snapshot)))
        answers.append(sorted(family(snapshot, schema.APDEX_REQUESTS).items()))
        for recorder in recorders:
            recorder.instance.close()

    assert answers[:2] == answers[2:]


def test_the_snapshot_says_who_and_since_when(shared):
    """The resource is the instance's: it outlives workers and whole restarts."""
    first = recorder_at(shared)
    before = merge(shared)
    first.instance.close()
    recorder_at(shared).instance.close()
    after = merge(shared, Resource("1.2"))

    assert before.start_time_unix_nano == after.start_time_unix_nano <= before.time_unix_nano <= after.time_unix_nano
    theirs, ours = dict(before.resource), dict(after.resource)
    assert ours.pop("service.version") == "1.2"
    assert ours == theirs
    assert ours["service.name"] == "shop"
    assert len(str(ours["service.instance.id"])) == 36
    assert list(after.resource) == sorted(after.resource)


def test_a_process_on_its_own_is_merged_the_same_way():
    """Without a directory the snapshot is of private memory."""
    instance = begin_patiently(alone(Identity("shop")))
    recorder = Recorder(instance, max_series=10, error_status=())
    record(recorder)
    started(recorder)
    snapshot = take_snapshot(instance, Resource())

    assert by_route(snapshot) == {"/": 1}
    assert in_flight(snapshot) == 1
    instance.close()


def test_a_directory_that_is_gone_is_an_error_that_says_so(shared):
    """A reader is told what is wrong, not shown a traceback of ours."""
    with pytest.raises(SharedDirectoryError, match="does not exist"):
        merge(shared)


def test_a_series_of_a_later_version_is_passed_over(shared):
    """A counter whose name we do not know is shown as it is, and breaks nothing."""
    recorder = recorder_at(shared)
    record(recorder)
    series = recorder.instance.index.add_series(("later.counter", (("x", "y"),)), layout.COUNTER, 1)
    assert series is not None
    assert recorder.instance.cover(series.head + 1)
    recorder.instance.cells[series.head] = 3

    assert family(merge(shared), "later.counter") == {(("x", "y"),): 3}
    recorder.instance.close()


def test_segments_of_different_length_are_added(shared):
    """A process that has not grown yet lacks the last chunks; they count as zero."""
    short, long = recorder_at(shared), recorder_at(shared)
    record(short)
    for number in range(900):
        record(long, f"/r{number}", duration=1 << (number % 40))
    assert short.instance.segment.chunks < long.instance.segment.chunks

    assert by_route(merge(shared)).total() == 901
    short.instance.close()
    long.instance.close()


def test_a_live_process_is_told_from_a_dead_one(shared):
    """The same rows are requests in flight of a living process, and aborted ones of a dead one."""
    join_patiently(shared).close()
    reading, writing = os.pipe()

    def work():
        recorder = recorder_at(shared)
        started(recorder, "/slow", "PUT", "https")
        os.write(writing, b"x")
        time.sleep(60)

    pid = fork(work)
    os.read(reading, 1)
    alive = merge(shared)
    os.kill(pid, signal.SIGKILL)
    wait(pid)
    dead = merge(shared)
    os.close(reading)
    os.close(writing)

    assert family(alive, schema.ACTIVE_REQUESTS)[(schema.METHOD, "PUT"), (schema.SCHEME, "https")] == 1
    assert (in_flight(alive), aborted(alive)) == (1, {})
    assert (in_flight(dead), aborted(dead)) == (0, {"/slow": 1})


def test_segments_of_another_epoch_are_left_out(shared):
    """When only the index was lost, old counts must not appear under new names."""
    old = [recorder_at(shared) for _ in range(3)]
    for recorder in old:
        record(recorder, "/old")
        recorder.instance.close()
    os.unlink(f"{shared}/index")
    recorder = recorder_at(shared)
    record(recorder, "/new")

    directory = recorder.instance.directory
    totals = add_up(recorder.instance.index, directory, recorder.instance.header.epoch)

    assert by_route(merge(shared)) == {"/new": 1}
    assert len(totals.damaged) == 2
    recorder.instance.close()


def test_a_truncated_segment_is_damaged_and_set_aside(shared):
    """Its counts are gone, and that must be seen; the next process begins a new file in its place."""
    recorder = recorder_at(shared)
    record(recorder)
    instance = observe(shared)
    recorder.instance.close()
    os.truncate(f"{shared}/segment-0", 4000)

    assert add_up(instance.index, instance.directory, instance.header.epoch).damaged == [0]
    instance.close()
    recorder = recorder_at(shared)
    record(recorder)

    assert by_route(merge(shared)) == {"/": 1}
    assert os.path.getsize(f"{shared}/damaged-0") == 4000
    recorder.instance.close()
