# SPDX-License-Identifier: Apache-2.0
"""What a cumulative point adds to its stream."""

from __future__ import annotations

from wsgiapm.collector.difference import Difference, Verdict, compare, position
from wsgiapm.collector.point import Point
from wsgiapm.store.model import Series

SERIES = Series("m", "histogram", "s", "", "{}")


def point(start, time, cells, total=None):
    """Make a point out of {bucket: count}."""
    n = sum(cells.values())
    return Point(SERIES, start, time, n, n * 10 if total is None else total, cells)


def test_a_new_stream_of_a_new_instance_covers_all_since_its_start():
    """All of it is booked."""
    assert compare(None, point(100, 200, {1: 3}), 0) == (Verdict.NEWS, Difference(100, 200, 3, 30, {1: 3}))


def test_a_new_stream_of_a_known_instance_covers_the_time_since_the_last_report():
    """It had not been there then, so all of it happened since."""
    assert compare(None, point(100, 200, {1: 3}), 190) == (Verdict.NEWS, Difference(190, 200, 3, 30, {1: 3}))


def test_a_new_stream_without_anything_is_no_news():
    """It need not be remembered: the next point will be new as well."""
    assert compare(None, point(100, 200, {}), 0)[0] is Verdict.NOTHING


def test_the_difference_to_the_last_point_is_news():
    """Only cells that changed are in it."""
    last = position(point(100, 200, {1: 3, 2: 1}))

    found = compare(last, point(100, 210, {1: 5, 2: 1, 3: 1}), 200)

    assert found == (Verdict.NEWS, Difference(200, 210, 3, 30, {1: 2, 3: 1}))


def test_a_stream_that_rested_covers_the_time_since_the_last_report():
    """Reports in between said that it had not changed, so the change is not older than they are."""
    last = position(point(100, 200, {1: 3}))

    assert compare(last, point(100, 500, {1: 4}), 490)[1].since_ns == 490


def test_equal_and_older_points_are_ignored():
    """A retry after a lost answer, and a request that was overtaken."""
    last = position(point(100, 200, {1: 3}))

    assert compare(last, point(100, 200, {1: 3}), 0)[0] is Verdict.NOTHING
    assert compare(last, point(100, 190, {1: 2}), 0)[0] is Verdict.NOTHING
    assert compare(last, point(100, 210, {1: 3}), 0)[0] is Verdict.NOTHING


def test_a_later_start_is_a_reset():
    """The new epoch's sum is booked whole."""
    last = position(point(100, 200, {1: 3}))

    assert compare(last, point(205, 210, {1: 1}), 200) == (Verdict.NEWS, Difference(205, 210, 1, 10, {1: 1}))
    # Nothing has happened in it yet: the new start must be remembered all the same.
    assert compare(last, point(205, 210, {}), 200)[0] is Verdict.NEWS


def test_an_earlier_start_is_refused():
    """Two processes with one identity would otherwise reset each other for ever."""
    last = position(point(100, 200, {1: 3}))

    assert compare(last, point(90, 210, {1: 1000}), 200)[0] is Verdict.STALE_START


def test_a_sum_that_goes_down_is_not_booked():
    """Not in its count, not in a single cell, not in its amount; there are no negative counts."""
    last = position(point(100, 200, {1: 3, 2: 1}))

    assert compare(last, point(100, 210, {1: 2, 2: 1}), 0)[0] is Verdict.WENT_BACK
    assert compare(last, point(100, 210, {1: 9}), 0)[0] is Verdict.WENT_BACK
    assert compare(last, point(100, 210, {1: 3, 2: 1}, total=5), 0)[0] is Verdict.WENT_BACK
