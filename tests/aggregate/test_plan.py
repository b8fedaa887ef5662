# SPDX-License-Identifier: Apache-2.0
"""The plan of a merge: which cells of all segments count transactions, kept and extended."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from wsgiapm.aggregate import layout
from wsgiapm.aggregate.index import Index, MemoryLog
from wsgiapm.aggregate.plan import make_plan

KINDS = (layout.COUNTER, layout.HISTOGRAM, layout.TRANSACTIONS, layout.GAUGE)
HEADS = {layout.COUNTER: 1, layout.HISTOGRAM: 1, layout.TRANSACTIONS: 3, layout.GAUGE: 1}
# What a process does with the index: add a series of a kind, or cells of an octave to one that was added before.
steps = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 30), st.integers(0, 38)), min_size=1, max_size=60)


def make_index():
    """An index in memory with one table."""
    index = Index(MemoryLog(), lambda _chunks: True)
    index.add_table(500_000_000)
    return index


def take(index, number, kind, which, octave):
    """Do one step."""
    index.add_series((f"metric {kind}", (("number", number),)), kind, HEADS[kind])
    histograms = [s for s in index.series if s.kind in (layout.HISTOGRAM, layout.TRANSACTIONS)]
    if histograms:
        index.add_block(histograms[which % len(histograms)], 0, octave)


def transaction_cells(plan):
    """The addresses of the cells whose mask is set, as far as they are in use."""
    return {
        start // layout.WORD + cell
        for mask, (start, end) in zip(plan.transactions, plan.pieces, strict=True)
        for cell in range((end - start) // layout.WORD)
        if mask >> 64 * cell & (2**64 - 1)
    }


def expected_cells(index):
    """The same from the index itself."""
    [table] = index.tables
    return {
        position + cell - layout.FIRST_CELL
        for series in index.series
        if series.kind == layout.TRANSACTIONS
        for blocks in series.blocks.values()
        for position, first, size in zip(blocks, table.first, table.sizes, strict=True)
        if position
        for cell in range(first, first + size)
    }


@settings(max_examples=30)
@given(steps, st.integers(1, 10))
def test_a_plan_that_was_extended_is_the_plan_made_at_once(taken, every):
    """However the index grew between two harvests, the masks name the cells of transactions and no others."""
    index, anew = make_index(), make_index()
    for number, step in enumerate(taken):
        take(index, number, *step)
        take(anew, number, *step)
        if number % every == 0:
            make_plan(index)

    assert transaction_cells(make_plan(index)) == expected_cells(index)
    assert make_plan(index) == make_plan(anew)


def test_a_plan_is_kept_as_long_as_the_index_says_the_same():
    """A harvest without new series does not look at the old ones."""
    index = make_index()
    take(index, 0, layout.TRANSACTIONS, 0, 5)
    plan = make_plan(index)

    assert make_plan(index) is plan
    take(index, 1, layout.TRANSACTIONS, 1, 5)
    assert make_plan(index) is not plan


def test_what_is_not_in_use_is_not_read():
    """Of the last chunk only the cells that were handed out; of one that holds no integers nothing."""
    index = make_index()
    take(index, 0, layout.TRANSACTIONS, 0, 5)
    take(index, 1, layout.GAUGE, 0, 5)

    plan = make_plan(index)
    assert plan.sizes == [index.free(layout.INTEGERS)[0] * layout.WORD, 0]
    assert plan.segment_bytes() == layout.CELLS_OFFSET + layout.CHUNK_BYTES
