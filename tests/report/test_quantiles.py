# SPDX-License-Identifier: Apache-2.0
"""Percentiles and Apdex out of histograms."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgiapm.report.quantiles import apdex, count_up_to, highest, quantile
from wsgiapm.store.buckets import ZERO, bucket_of, upper_bound

CELLS = st.dictionaries(st.integers(-160, 60), st.integers(1, 1000), min_size=1, max_size=40)


def cells_of(values):
    """Put values into cells."""
    cells = {}
    for value in values:
        cells[bucket_of(value)] = cells.get(bucket_of(value), 0) + 1
    return cells


def test_without_observations_there_is_nothing():
    """Null in JSON, never zero."""
    assert quantile({}, 0.5) is None
    assert highest({}) is None
    assert apdex(0, 0, 0) is None


@pytest.mark.parametrize("share", [0.5, 0.75, 0.95, 0.99])
def test_a_percentile_is_within_a_bucket_of_the_truth(share):
    """Buckets are 9 % wide, so the estimate is that near."""
    source = random.Random(7)
    values = sorted(source.lognormvariate(-2, 1) for _ in range(20_000))

    found = quantile(cells_of(values), share)

    assert found == pytest.approx(values[math.ceil(share * len(values)) - 1], rel=0.091)


@given(CELLS, st.lists(st.floats(0.001, 1), min_size=2, max_size=6))
def test_percentiles_ascend_and_stay_below_the_maximum(cells, shares):
    """p50 <= p75 <= … <= max, whatever the histogram."""
    found = [quantile(cells, share) for share in sorted(shares)]

    assert found == sorted(found)
    assert found[-1] <= highest(cells) * (1 + 1e-12)


def test_one_observation_is_its_bucket():
    """The maximum is the upper bound of the highest bucket."""
    assert quantile({0: 1}, 1) == upper_bound(0) == highest({0: 1})
    assert quantile({ZERO: 5}, 0.5) == upper_bound(ZERO) / 2


@given(CELLS, st.floats(1e-6, 100))
def test_counting_up_to_a_limit_is_between_its_buckets(cells, limit):
    """Whole buckets count whole, the one the limit lies in counts in part."""
    bucket = bucket_of(limit)
    below = sum(count for index, count in cells.items() if index < bucket)

    found = count_up_to(cells, limit)

    assert below - 1e-6 <= found <= below + cells.get(bucket, 0) + 1e-6


def test_apdex_counts_tolerating_half():
    """Satisfied + tolerating / 2 over all."""
    assert apdex(60, 30, 100) == 0.75
