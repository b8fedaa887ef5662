# SPDX-License-Identifier: Apache-2.0
"""Reading a segment while its owner counts, dies, and is followed by another: every schedule of the two, one by one.

A reader reads the header, looks who lives, reads the whole, and then one word again. Here everything that happens to the
segment is recorded as single stores, and played between any two steps of a reader, and in the middle of its long read.
"""

from __future__ import annotations

import os
from itertools import pairwise
from random import Random
from typing import NamedTuple

import pytest

from tests.aggregate.counting import ERRORS, SHOP, begin_patiently, record, recorder_at, started
from wsgiapm.aggregate import layout, merge
from wsgiapm.aggregate.adoption import aborted_before
from wsgiapm.aggregate.instance import join, observe
from wsgiapm.recorder import Recorder

OWNER, HEIR = 1, 2
# Where the long read may be torn: behind the header, within the rows, behind them, within the cells.
TEARS = (layout.PAGE, layout.PAGE + 2048, layout.CELLS_OFFSET, layout.CELLS_OFFSET + 512)
STEPS = 3 + len(TEARS) + 1


class Recorded:
    """The words of a segment; each store is noted."""

    def __init__(self, words, stores):
        self.words = words
        self.stores = stores

    def __getitem__(self, place):
        return self.words[place]

    def __setitem__(self, place, value):
        self.words[place] = value
        self.stores.append((place, value))

    def __len__(self):
        return len(self.words)

    def __getattr__(self, name):
        return getattr(self.words, name)


class History(NamedTuple):
    """What a segment held at first, all stores since, and how many of them were made when its owner died."""

    path: str
    before: bytes
    stores: list[tuple[int, int]]
    death: int


@pytest.fixture
def history(shared):
    """Requests, a death in the middle of two and between a commit and its end, an heir that settles, and its requests."""
    path, stores = f"{shared}/segment-0", []
    owner = recorder_at(shared)
    record(owner, "/counted")
    owner.cells[layout.PID] = OWNER
    with open(path, "rb") as file:
        before = file.read()
    owner.instance.segment.cells = Recorded(owner.instance.segment.cells, stores)
    owner._use_cells()
    record(owner, "/counted")
    for route in ("/running", "/counted"):
        started(owner, route)
    record(owner, "/counted")
    half = started(owner, "/counted")
    owner.cells[half.row + 1] = half.place[2]
    death = len(stores)
    owner.instance.close()
    del stores[death:]  # it was killed
    heir = join(shared, SHOP)
    heir.segment.cells = Recorded(heir.segment.cells, stores)
    recorder = Recorder(begin_patiently(heir), max_series=100, error_status=ERRORS)
    record(recorder, "/counted")
    started(recorder, "/running")
    heir.close()
    stores.pop()  # it lives on
    stores[death:] = [(place, HEIR if place == layout.PID else value) for place, value in stores[death:]]
    return History(path, before, stores, death)


class Stage:
    """Plays a history to a reader, according to a schedule: how many stores have been made before each of its steps."""

    def __init__(self, history, monkeypatch, shared):
        self.history = history
        self.instance = observe(shared)
        self.inode = os.stat(history.path).st_ino
        self.pread = os.pread
        monkeypatch.setattr(os, "pread", self.read)
        monkeypatch.setattr(merge, "_is_live", self.is_live)
        self.moments = [bytearray(history.before)]
        for place, value in history.stores:
            words = bytearray(self.moments[-1])
            words[place * 8 : place * 8 + 8] = value.to_bytes(8, "little")
            self.moments.append(words)

    def step(self):
        """Go on to the next step of the schedule; behind its end the world stands still."""
        if self.schedule:
            self.now = self.schedule.pop(0)
        return self.moments[self.now]

    def read(self, descriptor, size, offset):
        """What the kernel gives: page after page, while others write."""
        if os.fstat(descriptor).st_ino != self.inode:
            return self.pread(descriptor, size, offset)
        edges = [offset, *(tear for tear in TEARS if offset < tear < offset + size), offset + size]
        return b"".join([bytes(self.step()[start:end]) for start, end in pairwise(edges)])

    def is_live(self, _directory, _number, header):
        """The owner until it dies; then who has the lock is the heir, whose name may not be in the header yet."""
        self.step()
        return header[layout.PID] == (OWNER if self.now < self.history.death else HEIR)

    def totals(self, schedule):
        """Finished and aborted requests, as read by this schedule."""
        self.schedule = list(schedule)
        index = self.instance.index
        found = merge.add_up(index, self.instance.directory, self.instance.header.epoch)
        [worker] = found.workers
        cells = [0] * layout.FIRST_CELL + found.cells.tolist()
        aborted = aborted_before(index.series, cells) + sum(entry.count for entry in worker.aborted)
        return worker.finished, aborted

    def wrong(self, schedule):
        """What a schedule gives, if it was not so at any moment of the reading; None if all is well."""
        found = self.totals(schedule)
        first, last = self.truth[schedule[0]], self.truth[schedule[-1]]
        return None if all(map(_between, first, found, last)) else (schedule, first, found, last)

    @property
    def truth(self):
        """The totals after each store, read while nothing happens."""
        if not hasattr(self, "_truth"):
            self._truth = [self.totals([moment]) for moment in range(len(self.moments))]
        return self._truth


def _between(low, value, high):
    return low <= value <= high


@pytest.fixture
def stage(history, monkeypatch, shared):
    """The stage on which readers read."""
    stage = Stage(history, monkeypatch, shared)
    yield stage
    stage.instance.close()


def test_the_totals_of_a_segment_only_grow(stage):
    """After each single store, by whomever: no finished request is lost or counted twice, none becomes un-aborted."""
    truth = stage.truth

    assert truth == sorted(truth)
    assert all(finished >= before for (before, _), (finished, _) in pairwise(truth))
    assert truth[-1] == (4, 3)


def test_whatever_happens_during_a_read_the_totals_are_of_some_moment_in_it(stage):
    """One burst of stores, of any length, at any step of the reader: comparing one word is enough to see an heir."""
    last = len(stage.moments)
    schedules = (
        [start] * step + [end] * (STEPS - step)
        for start in range(last)
        for end in range(start + 1, last)
        for step in range(1, STEPS)
    )

    assert next(filter(None, map(stage.wrong, schedules)), None) is None


def test_whatever_happens_between_all_steps_of_some_reads_the_totals_are_of_some_moment(stage):
    """Stores between every two steps, also while the reader reads again; some thousand schedules, always the same."""
    chance = Random(4)
    for _ in range(3000):
        moments = range(len(stage.moments))
        schedule = sorted(chance.choices(moments, k=chance.choice((STEPS, 2 * STEPS, 3 * STEPS))))

        assert stage.wrong(schedule) is None


def test_without_the_word_a_reader_would_be_wrong(history, monkeypatch, shared):
    """These tests can fail: had an heir not raised the word, requests would be lost or counted twice."""
    stores = [(place, value) for place, value in history.stores if place != layout.SETTLEMENTS]
    stage = Stage(history._replace(stores=stores), monkeypatch, shared)
    last = len(stage.moments) - 1
    schedules = ([start] * step + [last] * (STEPS - step) for start in range(last) for step in range(1, STEPS))

    assert any(map(stage.wrong, schedules))
    stage.instance.close()
