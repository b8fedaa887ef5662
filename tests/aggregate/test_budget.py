# SPDX-License-Identifier: Apache-2.0
"""The budget: what the files of a shared directory take together, whoever comes and whatever they are sent."""

from __future__ import annotations

import json
import os
import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from tests.aggregate.counting import (
    SHOP,
    aborted,
    begin_patiently,
    by_route,
    die,
    dropped,
    finish,
    finished,
    fork,
    in_flight,
    join_patiently,
    record,
    recorder_at,
    run,
    started,
    wait,
)
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.budget import BLACK_BOX, Budget, BusyError, NoRoomError, survey
from wsgiapm.aggregate.directory import create_directory
from wsgiapm.aggregate.instance import Instance, alone, join
from wsgiapm.aggregate.journal import Journal
from wsgiapm.aggregate.merge import merge
from wsgiapm.aggregate.orphans import settle_orphans
from wsgiapm.aggregate.shared_file import SharedFile
from wsgiapm.profile.black_box import BlackBox
from wsgiapm.recorder import Recorder
from wsgiapm.request import error_type

MIB = 2**20


def taken(path: str) -> int:
    """The bytes all files of a directory take in the file system."""
    total = 0
    for name in os.listdir(path):
        with suppress(FileNotFoundError):
            total += os.stat(f"{path}/{name}", follow_symlinks=False).st_blocks * 512
    return total


@contextmanager
def watched(path: str, limit: int) -> Iterator[list[int]]:
    """Look at the files all the time, and fail when they ever take more than `limit`."""
    seen = [0]
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.01):
            with suppress(FileNotFoundError):
                seen[0] = max(seen[0], taken(path))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        stop.set()
        watcher.join()
    seen[0] = max(seen[0], taken(path))
    assert 0 < seen[0] <= limit


def come(path: str, limit: int, max_series: int = 2000) -> Recorder:
    """Another process, which counts on its own if there is no room for it."""
    try:
        instance: Instance = join_patiently(path, limit)
    except NoRoomError:
        instance = begin_patiently(alone(SHOP, limit))
    return Recorder(instance, max_series=max_series, error_status=((500, 599),))


def attack(recorder: Recorder, numbers: range) -> None:
    """Requests that have nothing in common: routes, methods, statuses, error types, durations."""
    letters = str.maketrans("0123456789", "ghijklmnop")
    for number in numbers:
        word = str(number).translate(letters)
        transaction = started(recorder, f"/{word}/{word[::-1]}", f"M{number}", "http" if number % 2 else "https")
        if number % 3 == 0:
            transaction.name = f"/{'x' * 180}/{word}"
        if number % 5 == 0:
            kind = type(f"E{word}" + "rror" * 300, (Exception,), {"__module__": f"user{number}"})
            transaction.error = error_type(kind())
        finish(recorder, transaction, 950 << number % 38, status=100 + number % 900)


@pytest.mark.parametrize("limit", [MIB // 2, pytest.param(4 * MIB, marks=pytest.mark.long)])
def test_hundreds_of_joiners_stay_within_the_budget(shared, limit):
    """Who comes when all is used up gets what is left, or counts on its own; every request is counted, and no byte is above."""
    with ExitStack() as stack, watched(shared, limit):
        first = come(shared, limit)
        stack.callback(first.instance.close)
        attack(first, range(3000))
        joined = [first]
        for _ in range(200):
            recorder = come(shared, limit)
            stack.callback(recorder.instance.close)
            record(recorder, "/late")
            if recorder.instance.directory is not None:
                joined.append(recorder)
        counts = by_route(merge(shared))

        assert 2 <= len(joined) < 201
        assert counts.total() == 3000 + len(joined) - 1
        assert sum(dropped(merge(shared)).values()) > 1000


def test_a_hup_of_a_full_app_leaves_nobody_out(shared):
    """What is handed out leaves room for as many processes again: each that a reload starts has all cells of the old ones."""
    limit = 8 * MIB
    with ExitStack() as stack, watched(shared, limit):
        old = [recorder_at(shared, limit) for _ in range(17)]
        for recorder in old:
            stack.callback(recorder.instance.close)
        attack(old[0], range(4000))
        names = [route for route in by_route(merge(shared)) if route.startswith("/")]
        new = [recorder_at(shared, limit) for _ in range(17)]
        for recorder in new:
            stack.callback(recorder.instance.close)

        chunks = len(old[0].instance.index.chunks)
        assert [recorder.instance.segment.chunks for recorder in new] == [chunks] * 17
        assert len(names) > 50


def test_a_process_with_few_cells_counts_what_it_can_by_name(shared):
    """Of the series of others it counts in those whose cells it has; the rest goes to (other), and is told."""
    limit = MIB
    first = recorder_at(shared, limit)
    record(first, "/early")
    number = 0
    while not first.cells[first.instance.dropped["budget"]]:
        number += 1
        record(first, f"/late/{'abcdefghij'[number // 38 % 10] * (number // 380 + 1)}", 950 << number % 38)
    late_names = [name for name in by_route(merge(shared)) if name.startswith("/late")]
    with ExitStack() as stack:
        stack.callback(first.instance.close)
        budget = first.instance.budget
        assert budget is not None
        room = layout.allocated_size(1) + layout.CHUNK_BYTES // 2 + BLACK_BOX
        last = come(shared, (budget.used() + room) * 16 // 15)
        stack.callback(last.instance.close)
        assert last.instance.segment.chunks == 1 < len(last.instance.index.chunks)
        before = by_route(merge(shared))
        record(last, "/early")
        record(last, late_names[-1], 950 << 3)
        record(last, late_names[-1], 950 << 3)
        after = by_route(merge(shared))

        assert after["/early"] == before["/early"] + 1
        assert after["(other)"] == before["(other)"] + 2
        assert taken(shared) <= limit


def test_an_outage_with_2000_events(shared):
    """While nobody reads them, events take the journals' share and no more; what was dropped is counted."""
    limit = MIB
    payload = json.dumps({"event": "e", "body": "b" * 900, "attributes": {}}).encode()
    with ExitStack() as stack, watched(shared, limit):
        recorders = [recorder_at(shared, limit) for _ in range(4)]
        for recorder in recorders:
            stack.callback(recorder.instance.close)
        for number in range(2000):
            journal = recorders[number % 4].instance.journal
            assert journal is not None
            journal.append(layout.WORKER_DIED_EVENT, payload)
        assert recorders[0].instance.directory is not None
        usage = survey(recorders[0].instance.directory)
        kept = dropped(merge(shared))

        assert 0 < usage.journals <= limit // 16
        assert 1900 < sum(kept.values()) < 2000
        assert set(kept) <= {"full", "no room"}


def test_recycled_and_killed_workers_with_black_boxes(shared):
    """Two hundred come, count, leave what a crash leaves, and are killed: nothing grows."""
    limit = MIB

    def live(number: int) -> None:
        recorder = recorder_at(shared, limit)
        assert recorder.instance.directory is not None
        BlackBox().install(recorder.instance.directory, recorder.instance.segment.number)
        attack(recorder, range(number * 20, number * 20 + 20))
        with open(f"{shared}/black-box-{recorder.instance.segment.number}", "wb") as box:
            box.write(b"x" * 10_000)
        started(recorder, "/killed")
        die()

    watcher = recorder_at(shared, limit)
    with watched(shared, limit):
        for number in range(0, 200, 4):
            pids = [fork(lambda number=number + i: live(number)) for i in range(4)]
            assert [wait(pid) for pid in pids] == [-signal.SIGKILL] * 4
        settle_orphans(watcher.instance)
        snapshot = merge(shared)

        assert by_route(snapshot).total() == 200 * 20
        assert aborted(snapshot).total() == 200
        assert in_flight(snapshot) == 0
    watcher.instance.close()


def test_processes_that_grow_at_once_do_not_overlook_each_other(shared):
    """Forty processes take room at the same instant, for segments and series: the sum holds all the same."""
    limit = MIB
    reading, writing = os.pipe()

    def grow(number: int) -> None:
        os.close(writing)
        os.read(reading, 1)
        recorder = come(shared, limit)
        attack(recorder, range(number * 1000, number * 1000 + 60))

    recorder_at(shared, limit).instance.close()
    with watched(shared, limit):
        pids = [fork(lambda number=number: grow(number)) for number in range(40)]
        os.close(writing)
        assert [wait(pid) for pid in pids] == [0] * 40
    os.close(reading)
    assert finished(shared) % 60 == 0


def test_the_founder_says_how_much_it_is(shared):
    """Who has no limit of its own goes by that of who founded the instance, whatever has become free since."""
    first = join(shared, SHOP, 3 * MIB)
    second = join(shared, SHOP)
    assert second.budget is not None
    assert second.budget.limit == second.header.limit == 3 * MIB
    third = join(shared, SHOP, 5 * MIB)
    assert third.budget is not None
    assert third.budget.limit == 5 * MIB
    for instance in (first, second, third):
        instance.close()


@pytest.mark.parametrize("position", range(52, 64))
def test_a_damaged_limit_is_not_believed(shared, position):
    """Then it is computed as if nobody had said it."""
    join(shared, SHOP, 3 * MIB).close()
    with open(f"{shared}/index", "r+b") as file:
        file.seek(position)
        old = file.read(1)
        file.seek(position)
        file.write(bytes([old[0] ^ 0x80]))
    instance = join(shared, SHOP)
    assert instance.budget is not None
    assert 3 * MIB != instance.budget.limit <= 32 * MIB
    instance.close()


def test_who_takes_room_is_not_waited_for(shared):
    """While a process that takes room is stopped, others go on with what they have; what is new waits in its row."""
    recorder = recorder_at(shared)
    told, telling = os.pipe()

    def hold() -> None:
        directory = create_directory(shared)
        assert directory.try_lock(layout.ROOM_LOCK)
        os.write(telling, b"x")
        signal.pause()

    holder = fork(hold)
    os.close(telling)
    assert os.read(told, 1)
    os.close(told)
    with pytest.raises(BusyError):
        join(shared, SHOP)
    for number in range(800):
        record(recorder, f"/r{chr(97 + number % 26)}{chr(97 + number // 26)}", 950 << number % 38)
    os.kill(holder, signal.SIGKILL)
    wait(holder)
    recorder.work_off()

    assert finished(shared) == 800
    recorder.instance.close()


def test_no_file_is_left_of_who_found_no_room(shared):
    """Neither an empty segment nor an empty journal, each of which would take room for a black box."""
    recorder = recorder_at(shared, 256 * 1024)
    directory = create_directory(shared)
    with pytest.raises(NoRoomError):
        join(shared, SHOP, 100 * 1024)
    reasons: list[str] = []
    Journal(directory, 0, recorder.instance.header.epoch, reasons.append, budget=Budget(directory, 10_000)).append(
        1, b""
    )

    assert reasons == ["no room"]
    assert sorted(os.listdir(shared)) == ["index", "locks", "segment-0"]
    directory.close()
    recorder.instance.close()


def test_what_others_put_there_counts(shared):
    """A file that was set aside, or that somebody left there, takes of the same budget; so does a large black box."""
    recorder = recorder_at(shared)
    directory = create_directory(shared)
    budget = Budget(directory, 2 * MIB)
    before = budget.used()
    for name in ("damaged-0", "black-box-0", "notes"):
        with open(f"{shared}/{name}", "wb") as file:
            file.write(b"x" * 65536)
    assert budget.used() == before + 3 * 65536 - BLACK_BOX

    file = SharedFile(directory, "segment-0")
    with pytest.raises(NoRoomError) as caught:
        budget.allocate(file, [(0, 2 * MIB)])
    assert caught.value.left == 2 * MIB - MIB // 8 - budget.used()
    file.close()
    directory.close()
    recorder.instance.close()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_million_of_everything(shared):
    """Distinct URLs, methods, statuses, error types of classes made for the purpose: bounded files, bounded memory."""
    limit = 2 * MIB
    recorder = recorder_at(shared, limit, max_series=500)
    with watched(shared, limit):
        attack(recorder, range(50_000))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        attack(recorder, range(50_000, 1_000_000))
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    assert finished(shared) == 1_000_000
    assert grown < 8 * 1024
    recorder.instance.close()


def test_the_child_of_a_fork_frees_no_room(shared):
    """A child that ends does not take the lock of a parent that is taking room."""
    recorder = recorder_at(shared)
    directory = recorder.instance.directory
    assert directory is not None
    assert directory.try_lock(layout.ROOM_LOCK)
    assert run(recorder.leave) == 0
    assert run(lambda: os._exit(directory.holder(layout.ROOM_LOCK) is None)) == 0
    directory.unlock(layout.ROOM_LOCK)
    recorder.instance.close()
