# SPDX-License-Identifier: Apache-2.0
"""The cells: each duration lies in exactly one classic, one exponential bucket and one Apdex zone."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgiapm.aggregate.histogram import (
    BLOCKS,
    DB_BOUNDS,
    EXPONENTIAL_BOUNDS,
    HTTP_BOUNDS,
    OVERFLOW,
    SCALE,
    ZERO_UPPER,
    classic,
    exponential,
    nanoseconds,
    narrow,
    table,
)

SECOND = 10**9
DEFAULT = table(SECOND // 2)
LONGEST = EXPONENTIAL_BOUNDS[-1]

durations = st.integers(0, 2 * LONGEST) | st.integers(0, 20 * SECOND)
thresholds = st.integers(1000, 100 * SECOND)


@given(durations | st.integers(0, 2**64 - 1), thresholds)
def test_a_cell_is_found_among_fewer_bounds(duration, threshold):
    """Looked up between two powers of two it is the same cell, for the bounds themselves and their neighbours, too."""
    uppers = table(threshold).uppers
    among = narrow(uppers)
    for value in (duration, *(u + d for u in uppers[:: len(uppers) // 7] for d in (-1, 0, 1))):
        first, bounds = among[value.bit_length()]
        assert first + bisect_left(bounds, value) == bisect_left(uppers, value)


def cells_of(values, cell_table=DEFAULT):
    """What is counted for some durations: upper bounds and counts, ascending."""
    counts = Counter(bisect_left(cell_table.uppers, value) for value in values)
    uppers = (*cell_table.uppers, OVERFLOW)
    return tuple((uppers[cell], count) for cell, count in sorted(counts.items()))


def lies_in_exponential_bucket(duration, index):
    """Whether base ** index < duration <= base ** (index + 1) seconds, in integers: both sides to the power of 8."""
    eighth_power = Fraction(duration, SECOND) ** 8
    return Fraction(2) ** index < eighth_power <= Fraction(2) ** (index + 1)


def exponential_bucket(duration):
    """The number of the only bucket a duration is counted in."""
    found = exponential(cells_of([duration]))
    assert sum(found.counts) + found.zero_count == 1
    return None if found.zero_count else found.offset + found.counts.index(1)


def test_a_boundary_lies_in_the_exponential_bucket_it_belongs_to():
    """At each bound of the table, one below and one above, the bucket is the one integer arithmetic finds."""
    boundaries = {value + step for value in DEFAULT.uppers for step in (-1, 0, 1)}
    wrong = [
        duration
        for duration in boundaries
        if ZERO_UPPER < duration <= LONGEST and not lies_in_exponential_bucket(duration, exponential_bucket(duration))
    ]

    assert len(boundaries) > 900
    assert wrong == []


def test_what_is_too_short_is_counted_as_zero():
    """Up to 2 ** -20 seconds a duration is in the zero bucket, a nanosecond more is not."""
    assert Fraction(ZERO_UPPER, SECOND) <= Fraction(1, 2**20) < Fraction(ZERO_UPPER + 1, SECOND)
    assert exponential_bucket(0) is None
    assert exponential_bucket(ZERO_UPPER) is None
    assert exponential_bucket(ZERO_UPPER + 1) == -20 * 8


def test_what_is_too_long_is_counted_in_one_more_bucket():
    """Above the last bound there is one cell, and it is not lost."""
    assert exponential_bucket(LONGEST + 1) == exponential_bucket(10 * LONGEST) == 17 * 8
    assert classic(cells_of([10 * LONGEST]), HTTP_BOUNDS) == [0] * len(HTTP_BOUNDS) + [1]


@given(durations)
def test_each_duration_lies_in_exactly_one_exponential_bucket(duration):
    """Whatever the duration, exactly one bucket counts it, and it is the right one."""
    index = exponential_bucket(duration)

    if index is not None and duration <= LONGEST:
        assert lies_in_exponential_bucket(duration, index)


@pytest.mark.parametrize("bounds", [HTTP_BOUNDS, DB_BOUNDS])
@given(st.lists(durations, max_size=30))
def test_classic_buckets_are_exact(bounds, values):
    """The cumulative count of a classic bucket is the number of durations not above its bound."""
    expected = [sum(Fraction(v, SECOND) <= Fraction(str(b)) for v in values) for b in bounds]

    assert classic(cells_of(values), bounds) == [*expected, len(values)]


@given(thresholds, st.lists(durations, max_size=30))
def test_apdex_zones_are_exact_whatever_the_threshold(apdex_t, values):
    """T and 4T are bounds of the table made for them, so no cell lies in two zones."""
    cells = cells_of(values, table(apdex_t))

    for limit in (apdex_t, 4 * apdex_t):
        assert sum(count for upper, count in cells if upper <= limit) == sum(v <= limit for v in values)


@given(thresholds)
def test_blocks_divide_the_cells(apdex_t):
    """Each cell is in one block, blocks are contiguous, and every table has the same number of them."""
    cell_table = table(apdex_t)

    assert len(cell_table.octaves) == len(cell_table.uppers) + 1 == sum(cell_table.sizes)
    assert list(cell_table.octaves) == sorted(cell_table.octaves)
    assert len(cell_table.first) == len(cell_table.sizes) == BLOCKS
    for block, (first, size) in enumerate(zip(cell_table.first, cell_table.sizes, strict=True)):
        assert set(cell_table.octaves[first : first + size]) == {block}
        # The recorder's check that a cell is mapped allows for blocks of at most 16 cells.
        assert 1 <= size <= 16


@given(st.lists(durations), st.lists(durations))
def test_merging_cells_is_merging_buckets(left, right):
    """Buckets of the sum are sums of the buckets."""
    both = classic(cells_of(left + right), HTTP_BOUNDS)

    assert both == [
        a + b for a, b in zip(classic(cells_of(left), HTTP_BOUNDS), classic(cells_of(right), HTTP_BOUNDS), strict=True)
    ]


def test_nothing_gives_empty_histograms():
    """Without cells there are no buckets."""
    assert exponential(()).counts == ()
    assert classic((), HTTP_BOUNDS) == [0] * (len(HTTP_BOUNDS) + 1)


def lognormal(chance):
    """What most services look like."""
    return chance.lognormvariate(-3, 1)


def bimodal(chance):
    """Cache hits and misses."""
    return chance.gauss(0.004, 0.0005) if chance.random() < 0.7 else chance.gauss(0.3, 0.05)


def heavy_tailed(chance):
    """Now and then something takes minutes."""
    return 0.002 * chance.paretovariate(1.1)


@pytest.mark.parametrize("latency", [lognormal, bimodal, heavy_tailed])
@pytest.mark.parametrize("quantile", [0.5, 0.75, 0.95, 0.99, 0.999])
def test_quantiles_stay_within_the_error_of_the_scale(latency, quantile):
    """The middle of the bucket a quantile falls into is off by no more than half a bucket, about 4.4 %."""
    chance = random.Random(20)
    values = sorted(max(nanoseconds(latency(chance)), 1000) for _ in range(20_000))
    exact = values[ceil(quantile * len(values)) - 1]
    found = exponential(cells_of(values))
    total, rank = found.zero_count, ceil(quantile * len(values))
    index = found.offset
    while (total := total + found.counts[index - found.offset]) < rank:
        index += 1
    base = 2 ** (2**-SCALE)
    middle = 2 * base ** (index + 1) / (1 + base) * SECOND

    assert abs(middle - exact) / exact <= (base - 1) / (base + 1) + 1e-6
