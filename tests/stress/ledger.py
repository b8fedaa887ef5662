# SPDX-License-Identifier: Apache-2.0
"""The independent count: what each process says it has begun and finished, in memory that outlives it."""

from __future__ import annotations

import mmap
import os
import signal
import time
from random import Random

from tests.aggregate.counting import aborted, by_route, fork, in_flight, recorder_at, wait
from wsgiapm.aggregate.merge import merge
from wsgiapm.places import method_and_scheme
from wsgiapm.recorder import Recorder
from wsgiapm.transaction import Transaction

# How many times as much as in the ordinary test run: `make stress` sets it.
SCALE = int(os.environ.get("STRESS", "1"))
_BEGUN, _FINISHED, _WIDTH = 0, 1, 2


class Account:
    """One writer's line in the ledger. Each word is written by one thread of one process only."""

    def __init__(self, words: memoryview, line: int) -> None:
        self._words = words
        self._first = line * _WIDTH

    def begin(self) -> int:
        """Note that something is about to begin; returns how much had been finished before."""
        self._words[self._first + _BEGUN] += 1
        return self.finished

    def end(self) -> None:
        """Note that it is finished."""
        self._words[self._first + _FINISHED] += 1

    @property
    def begun(self) -> int:
        """What was about to begin."""
        return self._words[self._first + _BEGUN]

    @property
    def finished(self) -> int:
        """What was finished for certain."""
        return self._words[self._first + _FINISHED]

    def record(self, recorder: Recorder, route: str, duration: int, status: int, hold: bool = False) -> None:
        """Begin and finish a request, noting each before or after it is so; with `hold` it stays running."""
        transaction = Transaction()
        transaction.start = 1_000_000_000
        transaction.method = method_and_scheme("GET", "http")
        self.begin()
        recorder.begin(transaction, route)
        if not hold:
            transaction.status = status
            recorder.finish(transaction, transaction.start + duration)
            self.end()


class Ledger:
    """Accounts for so many writers, in memory that a forked child shares with us."""

    def __init__(self, lines: int) -> None:
        self._memory = mmap.mmap(-1, lines * _WIDTH * 8)
        self._words = memoryview(self._memory).cast("Q")
        self._lines = lines
        self._next = 0

    def open(self) -> Account:
        """A line nobody has used."""
        self._next += 1
        assert self._next <= self._lines
        return Account(self._words, self._next - 1)

    @property
    def begun(self) -> int:
        """Requests that were about to begin."""
        return sum(self._words[_BEGUN::_WIDTH])

    @property
    def finished(self) -> int:
        """Requests that were finished for certain."""
        return sum(self._words[_FINISHED::_WIDTH])

    def check(self, shared: str, killed: int) -> None:
        """Compare with the merged truth after so many writers were killed at any instant, and all others ended."""
        snapshot = merge(shared)
        done, lost = by_route(snapshot).total(), aborted(snapshot).total()
        # A writer may have been killed between finishing and noting it, or between noting and beginning.
        found = f"{self.begun} begun and {self.finished} finished by the ledger, {done} finished and {lost} aborted as merged"
        assert self.finished <= done <= self.finished + killed, found
        assert self.begun - killed <= done + lost <= self.begun, found
        assert in_flight(snapshot) == 0


def request_anything(account: Account, recorder: Recorder, chance: Random, routes: int = 300) -> None:
    """One request of some route, duration and status: now and then a new series, block or chunk."""
    route = f"/{chance.choice('abcdef')}/{chance.randrange(routes):x}z"
    account.record(recorder, route, 1 << chance.randrange(40), chance.choice([200, 200, 200, 404, 500]))


def worker(shared: str, account: Account, seed: int, requests: int = 10**9) -> None:
    """A process that serves requests until it is killed, or until it has served enough."""
    chance = Random(seed)
    recorder = recorder_at(shared, budget=2**28)
    for _ in range(requests):
        request_anything(account, recorder, chance)
        if chance.random() < 0.01:
            recorder.work_off()
    while recorder._waiting:
        recorder.work_off()


def kill_after(pid: int, seconds: float) -> None:
    """Let a process live for so long, then kill it."""
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    assert wait(pid) in (-signal.SIGKILL, 0)


def run_all(works) -> None:
    """Run each in a process of its own, all at once, and expect all to succeed."""
    pids = [fork(work) for work in works]
    statuses = [wait(pid) for pid in pids]
    assert statuses == [0] * len(pids)
