# SPDX-License-Identifier: Apache-2.0
"""The index: what all processes agree on."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgiapm.aggregate import layout
from wsgiapm.aggregate.histogram import BLOCKS
from wsgiapm.aggregate.index import Index, IndexFullError, MemoryLog

COUNTER = layout.COUNTER
CHUNK = layout.CHUNK_CELLS


class SharedLog(MemoryLog):
    """A log that two indexes share; `busy` as if somebody else were writing."""

    def __init__(self):
        super().__init__()
        self.busy = False
        self.full = False
        self.locked = 0

    def lock(self):
        if not self.busy:
            self.locked += 1
        return not self.busy

    def unlock(self):
        self.locked = 0

    def append(self, offset, records):
        if self.full:
            raise OSError(28, "full")
        super().append(offset, records)


def anything(chunks):
    """A budget without limit."""
    return True


def key(number):
    """A key of a series."""
    return "m", (("n", number),)


def everything(index):
    """All that an index says."""
    series = [(s.number, s.kind, s.head_cells, s.head, s.metric, s.attributes, s.blocks) for s in index.series]
    return series, index.names, index.name_numbers, index.tables, index.chunks, index.offset


def busy_index(log, seed=1, steps=300):
    """An index to which many things have been added, in some order."""
    index = Index(log, anything)
    chance = random.Random(seed)
    index.add_table(5 * 10**8)
    for step in range(steps):
        kind = chance.choice(["series", "block", "name", "table"])
        if kind == "series" or not index.series:
            index.add_series(
                key(step), chance.choice([COUNTER, layout.TRANSACTIONS, layout.GAUGE]), chance.randint(1, 250)
            )
        elif kind == "block":
            histograms = [s for s in index.series if s.kind == layout.TRANSACTIONS]
            if not histograms:
                continue
            index.add_block(chance.choice(histograms), chance.randrange(len(index.tables)), chance.randrange(BLOCKS))
        elif kind == "name":
            index.add_name(f"/{step}")
        else:
            index.add_table(chance.randint(1000, 2000) * 10**5)
    return index


def test_replaying_gives_what_the_writer_has():
    """A process that joins later knows the same, and so does one that looks in between."""
    log = SharedLog()
    other = Index(log, anything)
    index = busy_index(log, steps=1500)
    assert len(index.chunks) > 2
    other.refresh()

    assert everything(Index(log, anything)) == everything(other) == everything(index)


def test_cells_are_handed_out_once():
    """No cell belongs to two heads or blocks, and none crosses the end of a chunk."""
    index = busy_index(SharedLog(), steps=1500)
    taken = set()
    for series in index.series:
        pieces = [(series.head, series.head_cells)]
        for number, blocks in series.blocks.items():
            cells = index.tables[number]
            pieces += [(p + cells.first[o], cells.sizes[o]) for o, p in enumerate(blocks) if p]
        for start, size in pieces:
            address = start - layout.FIRST_CELL
            kind = layout.FLOATS if series.kind == layout.GAUGE else layout.INTEGERS
            assert address // CHUNK == (address + size - 1) // CHUNK
            assert index.chunks[address // CHUNK] == kind
            places = set(range(address, address + size))
            assert not places & taken
            taken |= places


@given(st.integers(0, 10**6), st.data())
def test_a_replay_that_is_interrupted_is_done_again_without_harm(seed, data):
    """An exception out of a signal handler at any step of a replay leaves an index that goes on as if nothing had been."""
    log = SharedLog()
    whole = busy_index(log, seed, steps=30)

    class Interrupted(BaseException):
        pass

    class Interruptible(list):
        left = data.draw(st.integers(0, 40))

        def append(self, value):
            type(self).left -= 1
            if self.left == 0:
                raise Interrupted
            super().append(value)
            if self.left == 1:
                type(self).left -= 1
                raise Interrupted

    index = Index(SharedLog(), anything)
    index._log = log
    for name in ("series", "names", "tables", "chunks"):
        setattr(index, name, Interruptible())
    for _ in range(2):
        with suppress(Interrupted):
            index.refresh()
    index.refresh()

    assert everything(index) == everything(whole)


def test_two_processes_that_want_the_same_series_get_the_same():
    """Who comes second finds what the first one added."""
    log = SharedLog()
    first, second = Index(log, anything), Index(log, anything)

    ours = first.add_series(key(1), COUNTER, 1)
    theirs = second.add_series(key(1), COUNTER, 1)

    assert ours is not None
    assert theirs is not None
    assert ours.head == theirs.head
    assert len(second.series) == 1


def test_a_busy_index_is_not_waited_for():
    """While somebody else writes, every addition returns at once and says so; known things are found all the same."""
    log = SharedLog()
    index = Index(log, anything)
    index.add_table(5)
    series = index.add_series(key(1), layout.HISTOGRAM, 1)
    assert series is not None
    index.add_name("/known")
    log.busy = True

    assert index.add_series(key(2), COUNTER, 1) is None
    assert index.add_name("/new") is None
    assert index.add_table(6) is None
    assert not index.add_block(series, 0, 3)
    assert index.add_series(key(1), layout.HISTOGRAM, 1) is series
    assert index.add_name("/known") == 0
    assert index.add_table(5) == 0


def test_a_thread_that_comes_while_another_writes_is_sent_away():
    """A record lock does not keep out other threads or signal handlers of the process; the turn does."""
    log = SharedLog()
    index = Index(log, anything)
    inner = []

    def may_grow(chunks):
        inner.append(index.add_series(key(2), COUNTER, 1))
        return True

    index._may_grow = may_grow
    assert index.add_series(key(1), COUNTER, 1) is not None
    assert inner == [None]
    assert [s.attributes for s in index.series] == [key(1)[1]]


def test_an_exception_in_the_middle_frees_turn_and_lock():
    """After a failed addition the next one works."""
    log = SharedLog()
    index = Index(log, anything)
    log.full = True
    with pytest.raises(OSError, match="full"):
        index.add_name("/a")
    assert log.locked == 0
    log.full = False

    assert index.add_name("/a") == 0


def test_without_room_in_the_budget_nothing_is_added():
    """The budget is asked for each new chunk, and a refusal is an error; known chunks are still used up."""
    log = SharedLog()
    index = Index(log, lambda chunks: chunks <= 1)
    for number in range(CHUNK):
        assert index.add_series(key(number), COUNTER, 1) is not None
    with pytest.raises(IndexFullError):
        index.add_series(key(CHUNK), COUNTER, 1)
    with pytest.raises(IndexFullError):
        index.add_series(("gauge", ()), layout.GAUGE, 1)

    assert len(index.chunks) == 1
    assert log.locked == 0


def test_a_full_budget_is_not_asked_again_at_once():
    """Looking for room lists the directory, which not every request can afford."""
    asked = []

    def may_grow(chunks):
        asked.append(chunks)
        return False

    index = Index(SharedLog(), may_grow)
    for number in range(100):
        with pytest.raises(IndexFullError):
            index.add_series(key(number), COUNTER, 1)

    assert asked == [1]


def test_a_new_chunk_is_taken_when_a_block_does_not_fit():
    """Blocks never cross chunks: the rest of a chunk stays unused, the next block begins the next one."""
    index = Index(SharedLog(), anything)
    index.add_table(5 * 10**8)
    index.add_series(key(0), COUNTER, 1)
    while len(index.chunks) == 1:
        index.add_series(key(len(index.series)), COUNTER, 100)
    free, end = index.free(layout.INTEGERS)

    assert end == 2 * CHUNK
    assert index.series[-1].head - layout.FIRST_CELL == CHUNK
    assert free == CHUNK + 100


@pytest.mark.parametrize("name", ["\udc80", "a\udfffb", "é", ""])
def test_any_name_is_found_again(name):
    """A name that is no valid text is entered once, in a form that is, and then found."""
    index = Index(SharedLog(), anything)

    assert index.add_name(name) == 0
    assert index.add_name(name) == 0
    assert len(index.names) == 1


def test_a_name_beyond_measure_is_refused():
    """No single name can fill the index."""
    index = Index(SharedLog(), anything)

    with pytest.raises(IndexFullError):
        index.add_name("x" * 10_000)
    with pytest.raises(IndexFullError):
        index.add_series(("m", (("r", "x" * 10_000),)), COUNTER, 1)
    assert index.chunks == []


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_byte_is_noticed_or_harmless(position, value):
    """Whatever one byte is changed to, what is read before it is right, and the index is not written any more."""
    log = SharedLog()
    whole = busy_index(log, steps=20)
    data = bytearray(log.read(0))
    position = min(position, len(data) - 1)
    changed = data[position] != value
    data[position] = value
    damaged_log = SharedLog()
    damaged_log.append(0, bytes(data))
    index = Index(damaged_log, anything)

    assert index.damaged == changed
    assert index.names == whole.names[: len(index.names)]
    assert [s.head for s in index.series] == [s.head for s in whole.series[: len(index.series)]]
    if changed:
        assert index.add_name("/more") is None


def test_a_record_that_makes_no_sense_is_damage():
    """A record with the right checksum that refers to what is not there is not believed."""
    for body in (layout.BLOCK.pack(layout.BLOCK_RECORD, 3, 9, 9, 0), bytes([layout.SERIES_RECORD]), b"\x03abcdefghijk"):
        log = SharedLog()
        log.append(0, layout.RECORD.pack(len(body), crc32(body)) + body)

        assert Index(log, anything).damaged


def test_a_record_of_a_later_version_is_passed_over():
    """An unknown type of record changes nothing, and what follows is read."""
    log = SharedLog()
    for body in (b"\xf0whatever", bytes([layout.NAME_RECORD]) + b"/after"):
        log.append(len(log.read(0)), layout.RECORD.pack(len(body), crc32(body)) + body)
    index = Index(log, anything)

    assert index.names == ["/after"]
    assert not index.damaged


def test_os_error_while_locking_is_not_swallowed():
    """What the caller has to know reaches it as OSError, and the turn is free again."""

    class Broken(SharedLog):
        def lock(self):
            raise OSError(37, "no locks available")

    index = Index(Broken(), anything)
    for _ in range(2):
        with pytest.raises(OSError, match="no locks"):
            index.add_name(os.fsdecode(b"/a"))
