# SPDX-License-Identifier: Apache-2.0
"""Spreading late differences."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from wsgiapm.collector.difference import Difference
from wsgiapm.collector.spreading import MOST_SLOTS, spread

SECOND = 10**9

DIFFERENCES = st.builds(
    lambda since, span, total, cells: Difference(since, since + span, sum(cells.values()), total, cells),
    st.integers(10**18, 2 * 10**18),
    st.integers(30 * SECOND + 1, 10 * 86400 * SECOND),
    st.integers(0, 2**50),
    st.dictionaries(st.integers(-200, 200), st.integers(1, 10**6), max_size=30),
)


@given(DIFFERENCES, st.integers(0, 2**63 - 1))
def test_nothing_is_lost_and_nothing_is_made(difference, seed):
    """Counts, cells and whole amounts of the parts add up to the whole; each part's count is that of its cells."""
    parts = spread(difference, seed)

    cells = Counter()
    for part in parts:
        cells.update(part.cells)
        assert part.n == sum(part.cells.values())
        assert min(part.cells.values(), default=1) > 0
    assert dict(cells) == difference.cells
    assert sum(part.n for part in parts) == difference.n
    assert sum(part.total for part in parts) == difference.total


@given(DIFFERENCES, st.integers(0, 2**63 - 1))
def test_parts_lie_within_the_span_and_there_are_not_too_many(difference, seed):
    """Nothing is put into the future, or before the span."""
    parts = spread(difference, seed)

    assert len(parts) <= MOST_SLOTS
    assert len({part.t for part in parts}) == len(parts)
    assert all(difference.since_ns // SECOND <= part.t <= difference.until_ns // SECOND for part in parts)


@given(st.integers(0, 10**6), st.integers(0, 2**63 - 1))
def test_a_single_cell_is_spread_evenly(count, seed):
    """Two slots never differ by more than one."""
    parts = spread(Difference(0, 600 * SECOND, count, 0, {5: count}), seed)

    shares = [part.n for part in parts] + [0] * (60 - len(parts))
    assert max(shares) - min(shares) <= 1


def test_single_observations_do_not_all_fall_into_one_slot():
    """Sixty cells of one each are one for each slot."""
    parts = spread(Difference(0, 600 * SECOND, 60, 0, dict.fromkeys(range(60), 1)), 12345)

    assert [part.n for part in parts] == [1] * 60


def test_slots_are_ten_seconds_of_a_short_span():
    """A minute late is six slots, in the middle of each ten seconds."""
    parts = spread(Difference(100 * SECOND, 160 * SECOND, 12, 12, {1: 12}), 0)

    assert [(part.t, part.n, part.total) for part in parts] == [(105 + 10 * i, 2, 2) for i in range(6)]


def test_an_amount_goes_with_its_count():
    """The mean of each slot is that of the whole."""
    parts = spread(Difference(0, 60 * SECOND, 3, 300, {1: 3}), 0)

    assert [part.total for part in parts if part.n] == [100, 100, 100]
    assert [part.total for part in parts if not part.n] == []


@given(st.integers(1, 10**9), st.integers(0, 2**63 - 1))
def test_a_sum_without_counts_is_spread_as_well(total, seed):
    """A counter's amount is divided evenly and stays whole."""
    parts = spread(Difference(0, 60 * SECOND, 0, total, {}), seed)

    assert sum(part.total for part in parts) == total
    assert all(isinstance(part.total, int) for part in parts)


def test_a_fractional_sum_is_spread_up_to_rounding():
    """Custom counters may count in fractions."""
    parts = spread(Difference(0, 60 * SECOND, 0, 1.5, {}), 0)

    assert [part.total for part in parts] == [0.25] * 6
