# SPDX-License-Identifier: Apache-2.0
"""Packed histograms: nothing is lost, however many or large the numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgiapm.store.buckets import HIGHEST, LOWEST, ZERO
from wsgiapm.store.packing import add_packed, add_up, pack

CELLS = st.dictionaries(
    st.integers(LOWEST, HIGHEST) | st.just(ZERO), st.integers(1, 2**9) | st.integers(1, 2**61), max_size=300
)


@given(CELLS)
def test_a_histogram_comes_back_as_it_was(cells):
    """All buckets a double can have, the zero bucket, counts of up to 61 bits."""
    assert add_up([pack(cells)]) == cells


@given(CELLS, CELLS)
def test_histograms_are_added_cell_by_cell(one, other):
    """In any order, with the same bytes; that of nothing changes nothing."""
    both = {bucket: one.get(bucket, 0) + other.get(bucket, 0) for bucket in one.keys() | other.keys()}

    assert add_packed(pack(one), pack(other)) == pack(both) == add_packed(pack(other), pack(one))
    assert add_packed(pack(one), b"") == pack(one)


@pytest.mark.parametrize(("most", "length"), [(255, 7), (256, 9), (65_536, 13), (2**32, 21)])
def test_counts_take_the_room_they_need(most, length):
    """Two cells: a byte, and for each cell two for the bucket and one, two, four or eight for the count."""
    assert len(pack({-3: most, 5: 1})) == length


def test_the_empty_histogram_takes_no_room():
    """Most rows of callers have none."""
    assert pack({}) == b""
    assert add_up([b"", b""]) == {}
