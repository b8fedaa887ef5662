# SPDX-License-Identifier: Apache-2.0
"""How fast the memory of a worker grows: the slope that half of all pairs of points are above.

It is the estimator of Theil and Sen: a peak, or a few of them, does not move it, as it would a line of least squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import fmean, median

# In its first minute a process loads what it needs, which says nothing about the hours to come (seconds).
WARMING_UP = 60
SHORTEST_SPAN = 300
_FEWEST = 5
_POINTS_AT_MOST = 40
_HOUR = 3600


def growth_per_hour(points: Sequence[tuple[float, float]]) -> float | None:
    """Return by how many bytes memory grows in an hour; None when that cannot be told yet.

    Args:
        points: epoch seconds and bytes, in the order of time, of one process after its first minute.
    """
    if len(points) < _FEWEST or points[-1][0] - points[0][0] < SHORTEST_SPAN:
        return None
    few = _thin_out(points)
    slope = median((there - here) / (later - sooner) for (sooner, here), (later, there) in combinations(few, 2))
    return round(slope * _HOUR)


def _thin_out(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Average neighbours, until no more points are left than can be compared with each other."""
    width = -(-len(points) // _POINTS_AT_MOST)
    groups = (points[start : start + width] for start in range(0, len(points), width))
    return [(fmean(t for t, _ in group), fmean(value for _, value in group)) for group in groups]
