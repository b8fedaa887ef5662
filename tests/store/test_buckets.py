# SPDX-License-Identifier: Apache-2.0
"""The store's histogram layout."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgiapm.store.buckets import HIGHEST, LOWEST, ZERO, bucket_of, coarsen, lower_bound, rescale, upper_bound


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_a_value_lies_in_its_bucket(value):
    """The lower bound is exclusive, the upper inclusive, over the whole range of doubles in use."""
    bucket = bucket_of(value)

    assert lower_bound(bucket) < value <= upper_bound(bucket)


@given(st.integers(min_value=-1000, max_value=1000))
def test_a_bound_belongs_to_the_bucket_it_closes(bucket):
    """A value equal to an upper bound is still inside, the next double is not."""
    bound = upper_bound(bucket)

    assert bucket_of(bound) == bucket
    assert bucket_of(math.nextafter(bound, math.inf)) == bucket + 1


@pytest.mark.parametrize("value", [0.0, -0.0, -1.0])
def test_what_is_not_positive_is_zero(value):
    """Zero has a bucket of its own; it ends where the next number a reader could want begins."""
    assert bucket_of(value) == ZERO
    assert lower_bound(ZERO) == 0.0
    assert upper_bound(ZERO) == 2.0**-20


@pytest.mark.parametrize("value", [5e-324, 1.7976931348623157e308])
def test_the_ends_of_the_range_have_finite_bounds(value):
    """The smallest and the largest double do not overflow."""
    bucket = bucket_of(value)

    assert LOWEST <= bucket <= HIGHEST
    assert math.isfinite(upper_bound(bucket))


@given(st.integers(-1000, 1000), st.integers(-5, 3))
def test_coarsening_agrees_with_rescaling(bucket, scale):
    """A value goes to the same place whether it was counted in a coarser scale or is brought to it later."""
    coarse_index = bucket >> (3 - scale)

    assert coarsen(bucket, scale) == rescale(coarse_index, scale)
    assert coarsen(coarsen(bucket, scale), scale) == coarsen(bucket, scale)
    assert coarsen(ZERO, scale) == ZERO
