# SPDX-License-Identifier: Apache-2.0
"""Numbers out of histograms: percentiles and Apdex; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

from wsgiapm.store.buckets import PER_OCTAVE, ZERO, lower_bound, upper_bound

# Apdex: up to four times the threshold is tolerating.
TOLERATING = 4


def quantile(cells: Mapping[int, int], share: float) -> float | None:
    """Return the value below which ``share`` (0 to 1) of the observations lie; None without observations.

    Inside a bucket they are taken as evenly spread on the logarithmic scale, as the buckets are.
    """
    rank = share * sum(cells.values())
    passed = 0
    for bucket in sorted(cells):
        count = cells[bucket]
        if count and passed + count >= rank:
            inside = max(rank - passed, 0) / count
            if bucket == ZERO:
                return upper_bound(bucket) * inside
            return float(2.0 ** ((bucket + inside) / PER_OCTAVE))
        passed += count
    return None


def highest(cells: Mapping[int, int]) -> float | None:
    """Return the upper bound of the highest bucket with observations; None without any."""
    buckets = [bucket for bucket, count in cells.items() if count]
    return upper_bound(max(buckets)) if buckets else None


def count_up_to(cells: Mapping[int, int], limit: float) -> float:
    """Return how many observations are at most ``limit``; of the bucket the limit lies in, a share on its scale."""
    return sum(count * _share_up_to(bucket, limit) for bucket, count in cells.items())


def apdex(satisfied: float, tolerating: float, total: float) -> float | None:
    """Return the Apdex score of so many requests; None of none."""
    return round((satisfied + tolerating / 2) / total, 6) if total else None


def _share_up_to(bucket: int, limit: float) -> float:
    if limit >= upper_bound(bucket):
        return 1.0
    if bucket == ZERO or limit <= lower_bound(bucket):
        return 0.0
    return math.log2(limit / lower_bound(bucket)) * PER_OCTAVE
