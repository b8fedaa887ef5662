# SPDX-License-Identifier: Apache-2.0
"""Segments: who takes which, what happens to a bad one, and a file system without room."""

from __future__ import annotations

import itertools
import os
import signal
import struct
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from tests.aggregate.counting import (
    SHOP,
    aborted,
    begin_patiently,
    by_route,
    die,
    dropped,
    finished,
    fork,
    header_word,
    in_flight,
    join_patiently,
    record,
    recorder_at,
    run,
    started,
    wait,
)
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.instance import alone, join
from wsgiapm.aggregate.memory import PrivateMemory
from wsgiapm.aggregate.merge import merge
from wsgiapm.aggregate.orphans import settle_orphans
from wsgiapm.aggregate.owner import owner_lives, pid_namespace, start_ticks
from wsgiapm.aggregate.segment import Segment, cells_are_possible
from wsgiapm.errors import SharedDirectoryError
from wsgiapm.recorder import Recorder


def record_and_die(shared, route="/", times=1):
    """Finish some requests and be killed."""
    recorder = recorder_at(shared)
    for _ in range(times):
        record(recorder, route)
    die()


def test_a_process_takes_the_first_segment_nobody_uses(shared):
    """Living processes have one each; what a dead one left is adopted, counts and all."""
    first, second = join_patiently(shared), join_patiently(shared)
    assert (first.segment.number, second.segment.number) == (0, 1)
    assert run(lambda: record_and_die(shared)) == -signal.SIGKILL
    assert os.path.exists(f"{shared}/segment-2")
    third = recorder_at(shared)
    record(third)

    assert third.instance.segment.number == 2
    assert finished(shared) == 2
    first.close()
    fourth = join_patiently(shared)
    assert fourth.segment.number == 0
    for instance in (second, third.instance, fourth):
        instance.close()


def test_there_are_as_many_files_as_processes_lived_at_once(shared):
    """However many come and go, one after the other they share one segment."""
    for _ in range(30):
        assert run(lambda: record_and_die(shared, times=3)) == -signal.SIGKILL

    assert [name for name in os.listdir(shared) if name.startswith("segment-")] == ["segment-0"]
    assert finished(shared) == 90


def test_a_claim_names_its_owner(shared):
    """Process id, start time and pid namespace stand in the header, and times of the claim."""
    before = time.monotonic_ns(), time.time_ns()
    instance = join_patiently(shared)
    cells = instance.cells

    assert cells[layout.PID] == os.getpid()
    assert cells[layout.STARTED_TICKS] == start_ticks() > 0
    assert cells[layout.PID_NAMESPACE] == pid_namespace() > 0
    assert before[0] <= cells[layout.CLAIMED_MONOTONIC] <= time.monotonic_ns()
    assert before[1] <= cells[layout.CLAIMED_WALL] <= time.time_ns()
    assert cells[layout.SETTLEMENTS] % 2 == 0
    instance.close()


def test_a_claim_forgets_what_belongs_to_the_owner_before(shared):
    """Memory and the like are the new owner's; CPU time goes on as a sum."""
    instance = join_patiently(shared)
    for word in (layout.TIMED_OUT, layout.RESIDENT_MEMORY, layout.CPU_TIME):
        instance.cells[word] = 7
    instance.close()
    heir = join_patiently(shared)

    assert [heir.cells[word] for word in (layout.TIMED_OUT, layout.RESIDENT_MEMORY, layout.CPU_TIME)] == [0, 0, 7]
    heir.close()


def test_an_ended_process_is_not_taken_for_alive():
    """A zombie has an entry in /proc, and so has the process that got its number; neither is the owner."""
    pid = os.posix_spawn("/bin/true", ["true"], {})
    started_at = 0
    while not started_at and (ticks := start_ticks(pid)):
        started_at = ticks
    header = [0] * 64
    header[layout.PID_NAMESPACE] = pid_namespace()
    while start_ticks(pid):
        time.sleep(0.001)
    for started_then in (started_at or 1, 0):
        header[layout.PID], header[layout.STARTED_TICKS] = pid, started_then
        assert not owner_lives(header)
    wait(pid)
    header[layout.PID], header[layout.STARTED_TICKS] = 1, start_ticks(1) + 1
    assert not owner_lives(header)


def test_a_process_that_lost_its_locks_keeps_its_segment(shared):
    """Closing all descriptors frees our locks; the segment is still not given to another process, nor settled."""
    reading, writing = os.pipe()
    go_on, stop = os.pipe()

    def closes_all():
        recorder = recorder_at(shared)
        running = started(recorder, "/running")
        os.dup2(writing, 60)
        os.dup2(go_on, 61)
        os.closerange(3, 60)
        os.closerange(62, 1000)
        record(recorder, "/closed")
        os.write(60, b"x")
        os.read(61, 1)
        record(recorder, "/after")
        # New series, a new block and a new chunk need the files again.
        for number in range(300):
            record(recorder, f"/new{number:x}x/", duration=2**number % 10**12 + 1)
        running.status = 200
        recorder.finish(running, running.start + 5)
        recorder.instance.keep()
        assert recorder.instance.directory is not None
        assert recorder.instance.directory.is_locked(layout.SEGMENT_LOCKS)

    pid = fork(closes_all)
    os.read(reading, 1)
    snapshot = merge(shared)
    assert in_flight(snapshot) == 1
    assert not aborted(snapshot)
    other = join_patiently(shared)
    assert other.segment.number == 1
    assert settle_orphans(other) == []
    os.write(stop, b"x")
    assert wait(pid) == 0
    counts = by_route(merge(shared))

    assert counts.total() == 303
    assert (counts["/closed"], counts["/after"], counts["/running"]) == (1, 1, 1)
    assert not aborted(merge(shared))
    other.close()
    for descriptor in (reading, writing, go_on, stop):
        os.close(descriptor)


def test_two_agents_in_one_process_have_a_segment_each(shared):
    """The kernel would grant a process its own lock a second time; we do not."""
    first, second = recorder_at(shared), recorder_at(shared)
    running = started(first)
    record(second)

    assert {first.instance.segment.number, second.instance.segment.number} == {0, 1}
    assert in_flight(merge(shared)) == 1
    assert first.instance.directory is not None
    assert settle_orphans(second.instance) == []
    record(first)
    first.finish(running, running.start + 1)
    assert finished(shared) == 3
    first.instance.close()
    second.instance.close()


@pytest.mark.parametrize(
    ("offset", "data"),
    [
        (0, b"x"),
        (layout.WORD, b"\x02"),
        (2 * layout.WORD, b"\x00" * 16),
        (4 * layout.WORD, b"\x05"),
        (layout.CELLS_OFFSET + 800, b"\xff" * 8),
        (0, bytes(layout.WORD)),
    ],
    ids=["magic", "version", "epoch", "number", "impossible cell", "no magic, but counts"],
)
def test_a_bad_segment_is_set_aside(shared, offset, data):
    """What is no segment of this instance, or damaged, is renamed, and a new one begun; the others are not affected."""
    other = recorder_at(shared)
    record(other)
    assert run(lambda: record_and_die(shared)) == -signal.SIGKILL
    with open(f"{shared}/segment-1", "r+b") as file:
        file.seek(offset)
        file.write(data)
    heir = recorder_at(shared)
    record(heir)

    assert heir.instance.segment.number == 1
    assert os.path.exists(f"{shared}/damaged-1")
    assert finished(shared) == 2
    other.instance.close()
    heir.instance.close()


def test_an_empty_file_is_a_new_segment(shared):
    """Of a process that was killed while it made its segment nothing is left but an empty file."""
    join_patiently(shared).close()
    os.unlink(f"{shared}/segment-0")
    with open(f"{shared}/segment-0", "w", encoding="ascii"):
        pass
    assert finished(shared) == 0
    instance = join_patiently(shared)

    assert instance.segment.number == 0
    assert not os.path.exists(f"{shared}/damaged-0")
    instance.close()


def test_what_is_no_file_is_left_alone(shared):
    """A named pipe in the place of a segment is nobody's segment."""
    join_patiently(shared).close()
    os.unlink(f"{shared}/segment-0")
    os.mkfifo(f"{shared}/segment-0")
    recorder = recorder_at(shared)
    record(recorder)

    assert recorder.instance.segment.number == 1
    assert finished(shared) == 1
    recorder.instance.close()


def test_a_full_house_says_so(shared, monkeypatch):
    """There is a largest number of processes, and the one too many is told."""
    monkeypatch.setattr(layout, "MAX_SEGMENTS", 2)
    instances = [join_patiently(shared) for _ in range(2)]
    with pytest.raises(SharedDirectoryError, match=f"{shared} is in use by 2 processes, the most it can have"):
        join(shared, SHOP)
    for instance in instances:
        instance.close()


def test_a_segment_grows_and_keeps_what_it_counted(shared):
    """Growing maps more of the same file; those who still use the old mapping count in the same cells."""
    recorder = recorder_at(shared)
    old = recorder.cells
    record(recorder, "/first")
    for number in range(900):
        record(recorder, f"/r{number}", duration=1 << (number % 40))

    assert recorder.instance.segment.chunks > 1
    old[layout.CPU_TIME] = 99
    assert recorder.cells[layout.CPU_TIME] == 99
    assert finished(shared) == 901
    old.release()
    recorder.instance.close()


def test_a_segment_is_allocated_before_it_is_mapped(shared):
    """No page of a segment that is used is a hole: there a full file system would kill us by SIGBUS."""
    recorder = recorder_at(shared)
    for number in range(900):
        record(recorder, f"/r{number}", duration=1 << (number % 40))
    chunks = recorder.instance.segment.chunks
    before = os.stat(f"{shared}/segment-0")
    for _ in range(layout.ROWS):
        started(recorder)
    after = os.stat(f"{shared}/segment-0")

    assert chunks > 1
    assert before.st_size == after.st_size == layout.segment_size(chunks)
    assert before.st_blocks * 512 == layout.allocated_size(chunks)
    assert after.st_blocks * 512 == layout.segment_size(chunks)
    recorder.instance.close()


def test_no_room_for_a_segment_is_an_error(tiny):
    """A file system that is full when we come is an OSError, and we hold nothing then."""
    path = f"{tiny(64 * 1024)}/shop"
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            join(path, SHOP, 2**30)
    assert merge(path).families


def test_a_full_file_system_kills_nobody(tiny):
    """When the file system fills up while we count, everything goes on: what has no cells counts as (other)."""
    path = f"{tiny(512 * 1024)}/shop"
    recorder = recorder_at(path, budget=2**30)
    for number in range(3000):
        record(recorder, f"/r{number}", duration=1 << (number % 40), status=200 + number % 7)
    snapshot = merge(path)
    counts = by_route(snapshot)

    assert counts.total() == 3000
    assert counts["(other)"] > 100
    assert dropped(snapshot)["budget"] == counts["(other)"]
    assert os.statvfs(path).f_bavail * 4096 < 65536
    recorder.instance.close()


def test_a_file_system_that_others_fill_kills_nobody(tiny):
    """What is left may go to a stranger's file at any time, also between our chunks."""
    path = f"{tiny(1024 * 1024)}/shop"
    recorder = recorder_at(path, budget=2**30)
    record(recorder)
    with open(f"{path}/../filler", "wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))
    assert os.statvfs(path).f_bavail == 0
    for number in range(1000):
        record(recorder, f"/r{number}", duration=1 << (number % 40))
    running = started(recorder, "/somewhere/new")

    assert finished(path) == 1001
    assert in_flight(merge(path)) == 1
    recorder.finish(running, running.start)
    recorder.instance.close()


def test_the_budget_is_kept(shared):
    """All files together stay within the budget, however many series come; totals stay exact."""
    budget = 700_000
    recorders = [recorder_at(shared, budget) for _ in range(3)]
    for number in range(900):
        record(recorders[number % 3], f"/r{number}", duration=1 << (number % 40))
    sizes = [os.stat(f"{shared}/{name}").st_blocks * 512 for name in os.listdir(shared)]
    snapshot = merge(shared)

    assert sum(sizes) <= budget
    assert by_route(snapshot).total() == 900
    assert 0 < by_route(snapshot)["(other)"] == dropped(snapshot)["budget"]
    for recorder in recorders:
        recorder.instance.close()


def test_a_process_may_count_on_its_own():
    """Without a directory the counters are in private memory, with a floor below which nothing would work."""
    for budget in (0, 1):
        instance = begin_patiently(alone(SHOP, budget))
        recorder = Recorder(instance, max_series=100, error_status=())
        for number in range(500):
            record(recorder, f"/{'abcdefghij'[number % 10]}", duration=number)
        assert instance.directory is None
        assert instance.journal is None
        instance.close()


def test_private_memory_has_an_end():
    """Beyond its limit it is full, as a file system would be."""
    segment = Segment(0, PrivateMemory(layout.segment_size(2)), 1)
    segment.cover(2)
    with pytest.raises(OSError, match="private counters are full"):
        segment.cover(3)
    segment.close()


def test_a_damaged_cell_is_found_wherever_it_is():
    """A cell is damaged when its highest bit is set, and floats may have any bits."""
    kinds = [layout.INTEGERS, layout.FLOATS, layout.INTEGERS]
    for chunk, cell in itertools.product(range(3), (0, 1, layout.CHUNK_CELLS - 1)):
        for value, possible in ((2**63 - 1, True), (2**63, chunk == 1), (2**64 - 1, chunk == 1)):
            data = bytearray(8 + 3 * layout.CHUNK_BYTES)
            struct.pack_into("<Q", data, 8 + chunk * layout.CHUNK_BYTES + cell * layout.WORD, value)
            assert cells_are_possible(bytes(data), 8, kinds) is possible


def test_descriptors_do_not_add_up(shared):
    """Merging and settling over and over opens nothing for good; a failed join neither."""
    recorder = recorder_at(shared)
    assert run(lambda: (started(recorder_at(shared), "/x"), die())) == -signal.SIGKILL
    settle_orphans(recorder.instance)
    merge(shared)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        merge(shared)
        settle_orphans(recorder.instance)
        with pytest.raises(SharedDirectoryError):
            join(shared, SHOP._replace(app="other"))

    assert len(os.listdir("/proc/self/fd")) == before
    recorder.instance.close()


def test_settling_leaves_our_own_segment_alone(shared):
    """While others die, settle and join all the time, nobody ever counts in our segment."""
    recorder = recorder_at(shared)
    record(recorder, "/x")  # whose name is known from now on: who finds the index busy would have to leave it out
    for _ in range(20):
        pids = [fork(lambda: (started(recorder_at(shared), "/x"), die())) for _ in range(3)]
        settle_orphans(recorder.instance)
        for pid in pids:
            wait(pid)
        settle_orphans(recorder.instance)
        assert run(lambda: None if join_patiently(shared).segment.number != 0 else 1 / 0) == 0

    assert header_word(shared, 0, layout.PID) == os.getpid()
    assert aborted(merge(shared)) == {"/x": 60}
    recorder.instance.close()


def test_a_child_that_leaves_counts_nothing(shared):
    """A request that was running at a fork is the parent's; in the child it ends without a trace."""
    recorder = recorder_at(shared)
    running = started(recorder, "/forks")

    def child():
        recorder.leave()
        recorder.finish(running, running.start + 5)
        for number in range(100):
            record(recorder, f"/child{number}")

    assert run(child) == 0
    assert in_flight(merge(shared)) == 1
    recorder.finish(running, running.start + 5)
    assert by_route(merge(shared)) == {"/forks": 1}
    recorder.instance.close()


def test_pid_namespaces_share_a_directory(shared):
    """Two containers with process ids of their own count in one directory; locks say who lives."""
    probe = subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"unshare is not permitted here: {probe.stderr.strip()}")
    recorder = recorder_at(shared)
    running = started(recorder, "/outside")
    program = (
        "import os, sys\n"
        "from tests.aggregate.counting import *\n"
        "from wsgiapm.aggregate.orphans import settle_orphans\n"
        "recorder = recorder_at(sys.argv[1])\n"
        "assert os.getpid() == 1, os.getpid()\n"
        "assert recorder.instance.segment.number == 1\n"
        "assert settle_orphans(recorder.instance) == []\n"
        "record(recorder, '/inside')\n"
        "started(recorder, '/dies')\n"
        "os._exit(0)\n"
    )
    command = ["unshare", "--pid", "--fork", sys.executable, "-c", program, shared]
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": root})
    settle_orphans(recorder.instance)
    snapshot = merge(shared)

    assert by_route(snapshot) == {"/inside": 1}
    assert aborted(snapshot) == {"/dies": 1}
    assert in_flight(snapshot) == 1
    recorder.finish(running, running.start)
    recorder.instance.close()
