# SPDX-License-Identifier: Apache-2.0
"""Histograms of any scale or bounds, mapped to the store's buckets."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from wsgiapm.collector.refusal import RefusedError
from wsgiapm.store.buckets import ZERO, bucket_of, clamp, rescale

if TYPE_CHECKING:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, HistogramDataPoint

    from wsgiapm.store.model import Cells

# The range of scales the data model asks for; beyond it, shifting indexes would make huge numbers.
_SCALES = range(-10, 21)


def exponential_cells(point: ExponentialHistogramDataPoint) -> Cells:
    """Return the cells of an exponential histogram.

    A finer scale is merged exactly, a coarser one is put where its buckets end.

    Raises:
        RefusedError: it has negative values, a scale out of range, or buckets that do not add up.
    """
    if any(point.negative.bucket_counts):
        msg = "a histogram has negative values"
        raise RefusedError(msg)
    if point.scale not in _SCALES:
        msg = f"a histogram's scale is {point.scale}, not between {_SCALES[0]} and {_SCALES[-1]}"
        raise RefusedError(msg)
    cells: Cells = {ZERO: point.zero_count} if point.zero_count else {}
    for index, count in enumerate(point.positive.bucket_counts, point.positive.offset):
        if count:
            bucket = rescale(index, point.scale)
            cells[bucket] = cells.get(bucket, 0) + count
    return _checked(cells, point.count)


def explicit_cells(point: HistogramDataPoint) -> Cells:
    """Return the cells of a histogram with explicit bounds: each bucket is put where it ends.

    The last bucket has no end and is put into the cell after the last bound.

    Raises:
        RefusedError: its bounds do not ascend, or its buckets do not add up.
    """
    bounds, counts = list(point.explicit_bounds), list(point.bucket_counts)
    if not counts:
        # Allowed: only count and sum. The mean is all that is known.
        return {bucket_of(point.sum / point.count): point.count} if point.count else {}
    if len(counts) != len(bounds) + 1 or not _ascend(bounds):
        msg = "a histogram's bounds do not ascend or do not fit its buckets"
        raise RefusedError(msg)
    if bounds and bounds[-1] == math.inf:
        bounds.pop()
        counts[-2:] = [sum(counts[-2:])]
    cells: Cells = {}
    ends = [bucket_of(bound) for bound in bounds]
    ends.append(clamp(ends[-1] + 1) if bounds and bounds[-1] > 0 else ZERO)
    for end, count in zip(ends, counts, strict=True):
        if count:
            cells[end] = cells.get(end, 0) + count
    return _checked(cells, point.count)


def _ascend(bounds: list[float]) -> bool:
    return all(low < high for low, high in pairwise(bounds)) and not any(map(math.isnan, bounds))


def _checked(cells: Cells, count: int) -> Cells:
    if sum(cells.values()) != count:
        msg = "a histogram's buckets do not add up to its count"
        raise RefusedError(msg)
    return dict(sorted(cells.items()))
