# SPDX-License-Identifier: Apache-2.0
"""The statistics of the benchmarks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import differences, estimate, ratios


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_the_interval_holds_the_median_and_lies_within_the_values(values):
    """Whatever was measured, low <= median <= high, and nothing lies outside of what was seen."""
    figure = estimate(values)

    assert min(values) <= figure.low <= figure.median <= figure.high <= max(values)


def test_the_same_values_give_the_same_interval():
    """A table made anew from the same figures is the same table."""
    values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0]

    assert estimate(values) == estimate(values)


def test_more_rounds_make_the_interval_narrower():
    """A hundred times the same scatter is a surer median than five times."""
    few = estimate([1.0, 2.0, 3.0, 4.0, 5.0])
    many = estimate([1.0, 2.0, 3.0, 4.0, 5.0] * 100)

    assert many.high - many.low < few.high - few.low


def test_rounds_are_compared_with_the_same_round():
    """What disturbed one round disturbed both sides of it, and goes out of the comparison."""
    assert differences([3.0, 103.0], [1.0, 101.0]) == [2.0, 2.0]
    assert ratios([2.0, 20.0], [1.0, 10.0]) == [2.0, 2.0]


def test_sides_with_a_different_number_of_rounds_are_refused():
    """A lost round must not shift all those behind it."""
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        differences([1.0, 2.0], [1.0])
