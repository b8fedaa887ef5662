# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at random instants, and at every single store where that can be had."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from itertools import count
from random import Random

import pytest

from tests.aggregate.counting import (
    SHOP,
    LimitedOwner,
    aborted,
    begin_patiently,
    by_route,
    die,
    finish,
    fork,
    in_flight,
    join_patiently,
    record,
    recorder_at,
    started,
    wait,
)
from tests.stress.ledger import SCALE, Ledger, kill_after, request_anything, worker
from wsgiapm.aggregate.adoption import Settlement
from wsgiapm.aggregate.instance import join, observe
from wsgiapm.aggregate.merge import merge
from wsgiapm.aggregate.orphans import settle_orphans


@pytest.mark.timeout(60 + 60 * SCALE)
def test_workers_killed_at_random_instants(shared):
    """Several at a time, in whatever they do: finished requests are counted, the rest is aborted, nothing is in flight."""
    chance = Random(1)
    kills = 30 * SCALE
    ledger = Ledger(kills + 2)
    living = []
    for number in range(kills):
        living.append(fork(partial(worker, shared, ledger.open(), number)))
        if len(living) == 3:
            kill_after(living.pop(chance.randrange(3)), chance.random() * 0.06)
    for pid in living:
        kill_after(pid, 0.01)

    ledger.check(shared, kills)
    # Settling what the last ones left changes no total.
    instance = join_patiently(shared)
    settle_orphans(instance)
    ledger.check(shared, kills)
    segments = [name for name in os.listdir(shared) if name.startswith("segment-")]
    assert len(segments) <= 4
    assert not [name for name in os.listdir(shared) if name.startswith("damaged")]
    instance.close()


@pytest.mark.timeout(60 + 30 * SCALE)
def test_workers_killed_while_the_index_grows(shared):
    """Every request is a new series or a new block: most kills hit a writer of the index, which stays whole."""
    chance = Random(2)
    kills = 30 * SCALE
    ledger = Ledger(kills)

    def join_in():
        return recorder_at(shared, budget=2**30, max_series=10**6)

    def grow(account, seed):
        recorder = join_in()
        for number in count():
            account.record(recorder, f"/{seed}x{number:x}q", 1 << (number % 40), 200 + number % 300)

    assert wait(fork(join_in)) == 0  # else the first ones may die before there is an index to look at
    for number in range(0, kills, 2):
        pids = [fork(partial(grow, ledger.open(), number + i)) for i in range(2)]
        for pid in pids:
            kill_after(pid, chance.random() * 0.05)
        instance = observe(shared)
        assert not instance.index.damaged
        instance.close()

    ledger.check(shared, kills)


@pytest.mark.parametrize("leave", [0, 1, 3])
def test_adopters_killed_at_every_store(shared, leave):
    """One adopter after the other dies, each one store later than the one before, over what the last one left."""
    keeper = recorder_at(shared)

    def abandon():
        recorder = recorder_at(shared)
        record(recorder, "/done")
        for number in range(leave):
            started(recorder, f"/r{number}")
        recorder.instance.index._log.lock = lambda: False
        for _ in range(leave):
            finish(recorder, started(recorder, "/new"))
        die()

    def adopt(stores):
        instance = join(shared, SHOP)
        assert instance.segment.number == 1
        instance.use_table(0)
        assert Settlement(instance.index, LimitedOwner(instance, stores, die)).settle()

    deaths = 0
    for stores in count():
        assert wait(fork(abandon)) == -signal.SIGKILL
        rounds = stores + 1
        before = by_route(merge(shared)).total(), aborted(merge(shared)).total()
        for further in range(stores + 1):
            status = wait(fork(partial(adopt, further)))
            deaths += status == -signal.SIGKILL
            assert (by_route(merge(shared)).total(), aborted(merge(shared)).total()) == before
        begin_patiently(join(shared, SHOP)).close()
        assert (by_route(merge(shared)).total(), aborted(merge(shared)).total()) == before
        assert before == (rounds * (1 + leave), rounds * leave)
        if status == 0 or stores > 12 * SCALE:
            break
    assert deaths >= stores
    assert in_flight(merge(shared)) == 0
    keeper.instance.close()


@pytest.mark.timeout(60 + 30 * SCALE)
def test_leaders_killed_while_they_settle(shared):
    """Orphans are settled by one leader after the other, each killed at some instant; nothing is counted twice."""
    chance = Random(3)
    rounds = 15 * SCALE
    ledger = Ledger(rounds * 3)

    def leave(account, seed):
        recorder = recorder_at(shared)
        for _ in range(5):
            request_anything(account, recorder, Random(seed))
        for number in range(200):
            account.record(recorder, f"/running{number % 9}", 0, 0, hold=True)
        die()

    def lead():
        instance = observe(shared)
        while True:
            instance.refresh()
            settle_orphans(instance)
            merge(shared)

    for number in range(rounds):
        for pid in [fork(partial(leave, ledger.open(), number + i)) for i in range(3)]:
            assert wait(pid) == -signal.SIGKILL
        for _ in range(3):
            kill_after(fork(lead), chance.random() * 0.03)
        ledger.check(shared, 0)
    instance = join_patiently(shared)
    settle_orphans(instance)
    ledger.check(shared, 0)
    assert aborted(merge(shared)).total() == rounds * 3 * 200
    instance.close()


@pytest.mark.timeout(60 + 30 * SCALE)
def test_founders_killed_at_random_instants(shared):
    """A directory that is being founded by many, all of them killed: the next one can count in it."""
    chance = Random(4)
    for number in range(15 * SCALE):
        path = f"{shared}-{number}"
        ledger = Ledger(5)
        pids = [fork(partial(worker, path, ledger.open(), i)) for i in range(4)]
        time.sleep(chance.random() * 0.02)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            wait(pid)
        assert wait(fork(partial(worker, path, ledger.open(), 9, 50))) == 0
        ledger.check(path, 4)


@pytest.mark.timeout(60 + 30 * SCALE)
def test_pid_reuse(shared):
    """A process that got the number of a dead one, also that of the segment's owner, is not taken for it."""
    ledger = Ledger(40 * SCALE)
    try:
        with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as file:
            file.write(str(os.getpid()))
    except OSError as error:
        pytest.skip(f"process ids cannot be chosen here: {error}")

    def leave(account):
        recorder = recorder_at(shared)
        account.record(recorder, "/a", 1, 200)
        account.record(recorder, "/b", 1, 200, hold=True)
        die()

    reused = 0
    last = 0
    for _ in range(40 * SCALE):
        if last:
            with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as file:
                file.write(str(last - 1))
        pid = fork(partial(leave, ledger.open()))
        assert wait(pid) == -signal.SIGKILL
        reused += pid == last
        last = pid

    assert reused > 10
    ledger.check(shared, 0)
    assert aborted(merge(shared)) == {"/b": 40 * SCALE}
