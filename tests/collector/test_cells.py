# SPDX-License-Identifier: Apache-2.0
"""Histograms of any form, in the store's buckets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, HistogramDataPoint

from wsgiapm.collector.cells import explicit_cells, exponential_cells
from wsgiapm.collector.refusal import RefusedError
from wsgiapm.store.buckets import LOWEST, ZERO, bucket_of, upper_bound


def exponential(scale, cells, zero=0):
    """Build an exponential point out of {index: count}."""
    point = ExponentialHistogramDataPoint(scale=scale, zero_count=zero, count=sum(cells.values()) + zero)
    if cells:
        point.positive.offset = min(cells)
        point.positive.bucket_counts.extend(cells.get(i, 0) for i in range(min(cells), max(cells) + 1))
    return point


def test_scale_3_is_taken_as_it_is():
    """Our own agent's form; zeros have a bucket of their own."""
    assert exponential_cells(exponential(3, {-27: 5, -20: 1}, zero=2)) == {ZERO: 2, -27: 5, -20: 1}


@given(st.integers(4, 20), st.dictionaries(st.integers(-200, 200), st.integers(1, 9), min_size=1, max_size=20))
def test_a_finer_scale_is_merged_exactly(scale, cells):
    """Each bucket lies wholly in one of scale 3 (perfect subsetting)."""
    found = exponential_cells(exponential(scale, cells))

    assert sum(found.values()) == sum(cells.values())
    for index in cells:
        middle = 2.0 ** ((index + 0.5) * 2.0**-scale)
        assert bucket_of(middle) in found


@given(st.integers(-4, 2), st.dictionaries(st.integers(-5, 5), st.integers(1, 9), min_size=1))
def test_a_coarser_scale_is_put_where_its_buckets_end(scale, cells):
    """Percentiles then are upper bounds; counts stay exact."""
    found = exponential_cells(exponential(scale, cells))

    assert found == {bucket_of(2.0 ** ((index + 1) * 2.0**-scale)): count for index, count in sorted(cells.items())}


@pytest.mark.parametrize("scale", [-11, 21, -(2**31), 2**31 - 1])
def test_an_absurd_scale_is_refused(scale):
    """Shifting by it would make numbers of gigabytes."""
    with pytest.raises(RefusedError, match="scale"):
        exponential_cells(exponential(scale, {5: 1}))


def test_indexes_no_double_can_have_are_taken_to_the_nearest_one():
    """They stay within what can be computed with."""
    assert exponential_cells(exponential(3, {-(2**31): 1})) == {LOWEST: 1}


def test_negative_values_are_refused():
    """Nothing of ours has them, and the store has no place for them."""
    point = exponential(3, {})
    point.negative.bucket_counts.append(1)
    point.count = 1

    with pytest.raises(RefusedError, match="negative"):
        exponential_cells(point)


def test_buckets_must_add_up_to_the_count():
    """A point that contradicts itself cannot be booked exactly."""
    point = exponential(3, {1: 1})
    point.count = 2
    with pytest.raises(RefusedError, match="add up"):
        exponential_cells(point)
    with pytest.raises(RefusedError, match="add up"):
        explicit_cells(HistogramDataPoint(count=5, explicit_bounds=[1.0], bucket_counts=[1, 1]))


def test_explicit_buckets_are_put_where_they_end():
    """The last one has no end and goes into the cell after the last bound."""
    point = HistogramDataPoint(count=10, explicit_bounds=[0.0, 0.5, 1.0], bucket_counts=[1, 2, 3, 4])

    assert explicit_cells(point) == {ZERO: 1, bucket_of(0.5): 2, bucket_of(1.0): 3, bucket_of(1.0) + 1: 4}
    assert upper_bound(bucket_of(0.5)) == 0.5


def test_explicit_bounds_that_share_a_cell_are_added():
    """Finer bounds than ours lose nothing but detail."""
    point = HistogramDataPoint(count=3, explicit_bounds=[1.05, 1.06], bucket_counts=[1, 2, 0])

    assert explicit_cells(point) == {bucket_of(1.06): 3}


def test_without_buckets_the_mean_is_all_there_is():
    """OTLP allows a histogram of count and sum only."""
    assert explicit_cells(HistogramDataPoint(count=4, sum=2.0)) == {bucket_of(0.5): 4}
    assert explicit_cells(HistogramDataPoint()) == {}


@pytest.mark.parametrize(
    ("bounds", "counts"),
    [([2.0, 1.0], [1, 1, 1]), ([1.0, 1.0], [1, 1, 1]), ([1.0], [1]), ([float("nan"), 1.0], [1, 1, 1])],
)
def test_bounds_must_ascend_and_fit(bounds, counts):
    """Whatever contradicts the specification is refused."""
    with pytest.raises(RefusedError, match="bounds"):
        explicit_cells(HistogramDataPoint(count=sum(counts), explicit_bounds=bounds, bucket_counts=counts))


@pytest.mark.parametrize("bound", [float("inf"), 1e308, 5e-324])
def test_extreme_bounds_have_a_cell(bound):
    """Infinity as the last bound is what some exporters send."""
    cells = explicit_cells(HistogramDataPoint(count=2, explicit_bounds=[bound], bucket_counts=[1, 1]))

    assert sum(cells.values()) == 2
