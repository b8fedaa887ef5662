# SPDX-License-Identifier: Apache-2.0
"""Processes as servers, job queues and daemonisers make them: many, short, forked, stopped, closed."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from random import Random

import pytest

from tests.aggregate.counting import (
    aborted,
    by_route,
    die,
    dropped,
    finished,
    fork,
    in_flight,
    index_held,
    join_patiently,
    record,
    recorder_at,
    run,
    started,
    wait,
)
from tests.stress.ledger import SCALE, Ledger, request_anything, run_all, worker
from wsgiapm import clock
from wsgiapm.aggregate.merge import merge
from wsgiapm.aggregate.orphans import settle_orphans


@pytest.mark.timeout(60 + 120 * SCALE)
def test_64_processes_discover_the_same_series_at_once(shared):
    """All meet the same new routes and durations at the same instant: each exists once, and all totals are exact."""
    processes, routes = 64, 20
    reading, writing = os.pipe()
    ledger = Ledger(processes)

    def discover(account):
        recorder = recorder_at(shared, budget=2**28)
        os.close(writing)
        os.read(reading, 1)
        for number in range(routes):
            for exponent in (20, 24, 28):
                account.record(recorder, f"/r{number:x}z", 1 << exponent, 200)
        while recorder._waiting:
            recorder.work_off()

    pids = [fork(partial(discover, ledger.open())) for _ in range(processes)]
    time.sleep(0.5)
    os.close(writing)
    assert [wait(pid) for pid in pids] == [0] * processes
    os.close(reading)
    counts = by_route(merge(shared))

    assert counts == {f"/r{number:x}z": processes * 3 for number in range(routes)}
    ledger.check(shared, 0)
    instance = join_patiently(shared)
    keys = [(series.metric, series.attributes) for series in instance.index.series]
    assert len(set(keys)) == len(keys)
    instance.close()


@pytest.mark.timeout(60 + 60 * SCALE)
def test_a_fork_per_job(shared):
    """As RQ does it: a parent that counts, too, and a child for each job, some of which are killed."""
    jobs = 100 * SCALE
    ledger = Ledger(jobs + 1)
    parent = recorder_at(shared)
    own = ledger.open()
    descriptors = len(os.listdir("/proc/self/fd"))
    killed = 0
    for number in range(jobs):
        own.record(parent, "/enqueue", 1, 200)

        def job(account, number=number):
            parent.leave()
            account.record(recorder_at(shared), f"/job{number % 3}", 1 << 20, 200, hold=number % 5 == 0)
            if number % 5 == 0:
                die()

        killed += run(partial(job, ledger.open())) == -signal.SIGKILL
    assert killed == jobs // 5
    assert len(os.listdir("/proc/self/fd")) == descriptors
    parent.instance.close()

    ledger.check(shared, 0)
    assert aborted(merge(shared)).total() == killed
    assert len([name for name in os.listdir(shared) if name.startswith("segment-")]) == 2


def outlive(kind):
    """Start something that outlives this process; return its id."""
    if kind == "subprocess":
        return subprocess.Popen(["sleep", "60"], start_new_session=True, close_fds=False).pid
    if kind == "multiprocessing":
        process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        process.start()
        assert process.pid is not None
        return process.pid
    return fork(partial(time.sleep, 60))


@pytest.mark.parametrize("kind", ["subprocess", "multiprocessing", "fork"])
def test_a_child_that_outlives_its_worker(shared, kind):
    """The worker is dead all the same: its segment is adopted at once, and the child's descriptors hold nothing."""
    reading, writing = os.pipe()

    def work():
        recorder = recorder_at(shared)
        record(recorder, "/done")
        started(recorder, "/running")
        os.write(writing, outlive(kind).to_bytes(4, "little"))
        die()

    for _ in range(3 * SCALE):
        assert run(work) == -signal.SIGKILL
        orphan = int.from_bytes(os.read(reading, 4), "little")
        os.kill(orphan, 0)
        heir = join_patiently(shared)
        assert heir.segment.number == 0
        assert in_flight(merge(shared)) == 0
        heir.close()
        os.kill(orphan, signal.SIGKILL)
    os.close(reading)
    os.close(writing)

    assert by_route(merge(shared)) == {"/done": 3 * SCALE}
    assert aborted(merge(shared)) == {"/running": 3 * SCALE}


@pytest.mark.timeout(60 + 30 * SCALE)
def test_children_of_threads_that_write_the_index(shared):
    """A fork while other threads are in the middle of everything: the child begins anew and is not held up."""
    ledger = Ledger(200 * SCALE)
    recorder = recorder_at(shared, budget=2**28)
    stop = threading.Event()

    def busy(account, seed):
        chance = Random(seed)
        while not stop.is_set():
            request_anything(account, recorder, chance, 4000)

    threads = [threading.Thread(target=busy, args=(ledger.open(), seed)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for number in range(40 * SCALE):

        def child(account, number=number):
            recorder.leave()
            worker(shared, account, number, 20)

        assert run(partial(child, ledger.open())) == 0
    stop.set()
    for thread in threads:
        thread.join()
    while recorder._waiting:
        recorder.work_off()
    recorder.instance.close()

    ledger.check(shared, 0)


def test_a_daemoniser(shared, tmp_path):
    """Two forks, all descriptors closed, and then it counts: also with numbers that belong to files of the app now."""
    theirs = tmp_path / "theirs"
    recorder = recorder_at(shared)
    record(recorder, "/before")
    reading, writing = os.pipe()

    def daemon():
        os.setsid()
        if os.fork():
            os._exit(0)
        recorder.leave()
        os.dup2(writing, 200)
        os.closerange(3, 200)
        for _ in range(60):
            os.open(theirs, os.O_RDWR | os.O_CREAT)
        for number in range(200):
            record(recorder, f"/parent{number:x}z", duration=1 << (number % 40))
        own = recorder_at(shared)
        for number in range(200):
            record(own, f"/daemon{number:x}z", duration=1 << (number % 40))
        os.write(200, b"x")

    assert run(daemon) == 0
    os.close(writing)
    assert os.read(reading, 1) == b"x"
    os.close(reading)
    record(recorder, "/after")
    counts = by_route(merge(shared))

    assert os.stat(theirs).st_size == 0
    assert (counts["/before"], counts["/after"], counts.total()) == (1, 1, 202)
    recorder.instance.close()


def test_a_stopped_writer_of_the_index_stops_nobody(shared):
    """SIGSTOP while it holds the index: others serve on, what they finish is kept, and counted when it goes on."""
    ledger = Ledger(2)
    account = ledger.open()
    with index_held(shared):
        # Everything that a process needs in order to begin has been entered by the holder before.
        recorder = recorder_at(shared)
        assert recorder.instance.index.add_name("/new") is None
        for number in range(3000):
            account.record(recorder, f"/{number % 200:x}z", 1 << (number % 40), 200)
        assert in_flight(merge(shared)) == 0
    while recorder._waiting:
        recorder.work_off()

    ledger.check(shared, 0)
    assert by_route(merge(shared))["(other)"] == dropped(merge(shared)).get("busy", 0)
    recorder.instance.close()


@pytest.mark.timeout(60 + 30 * SCALE)
def test_killed_while_the_index_is_held(shared):
    """What a worker finished while it could not enter new series survives it: it stands in the rows."""
    ledger = Ledger(5 * SCALE)

    def serve(account, number):
        recorder = recorder_at(shared)
        for request in range(500):
            account.record(recorder, f"/{number}x{request:x}z", 1 << (request % 40), 200 + request % 100)
        account.record(recorder, "/running", 0, 0, hold=True)
        die()

    for number in range(5 * SCALE):
        with index_held(shared):
            assert run(partial(serve, ledger.open(), number)) == -signal.SIGKILL
            ledger.check(shared, 0)
        leader = join_patiently(shared)
        settle_orphans(leader)
        ledger.check(shared, 0)
        leader.close()

    assert aborted(merge(shared)).total() == 5 * SCALE


@pytest.mark.timeout(60 + 30 * SCALE)
def test_threads_signals_and_collections_in_killed_workers(shared):
    """Everything that may record at once does, in workers that are killed: each writer keeps its own account."""
    kills = 8 * SCALE
    ledger = Ledger(kills * 5)

    def serve(accounts, seed):
        recorder = recorder_at(shared, budget=2**28)
        chance = Random(seed)
        signals, collections, *threads = accounts
        handling = threading.Lock()

        def interrupt(*_):
            if handling.acquire(
                blocking=False
            ):  # on a busy machine one signal after the other would come in the middle
                request_anything(signals, recorder, chance)
                handling.release()

        signal.signal(signal.SIGALRM, interrupt)
        gc.callbacks.append(lambda phase, info: request_anything(collections, recorder, chance))
        gc.set_threshold(100)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        sys.setswitchinterval(1e-5)

        def loop(account, seed):
            own = Random(seed)
            while True:
                request_anything(account, recorder, own)

        for number, account in enumerate(threads):
            threading.Thread(target=loop, args=(account, number), daemon=True).start()
        time.sleep(60)

    for number in range(kills):
        pid = fork(partial(serve, [ledger.open() for _ in range(5)], number))
        time.sleep(0.1 + number % 7 / 50)
        os.kill(pid, signal.SIGKILL)
        assert wait(pid) == -signal.SIGKILL

    ledger.check(shared, kills * 5)
    leader = join_patiently(shared)
    settle_orphans(leader)
    ledger.check(shared, kills * 5)
    leader.close()


def test_a_wall_clock_that_jumps(shared):
    """Back, forth and to zero: counts and durations are as if it had stood."""
    ledger = Ledger(4)

    def serve(account, seed):
        chance = Random(seed)
        clock.time_ns = lambda: chance.randrange(2**62)
        worker(shared, account, seed, 500)

    run_all([partial(serve, ledger.open(), seed) for seed in range(4)])

    ledger.check(shared, 0)
    assert finished(shared) == 2000
