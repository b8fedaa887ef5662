# SPDX-License-Identifier: Apache-2.0
"""What the collector keeps of an OTLP metrics request: reports of instances, made of cumulative points."""

from __future__ import annotations

from typing import NamedTuple

from wsgiapm.collector.identity import Identity
from wsgiapm.store.buckets import SCALE
from wsgiapm.store.model import Cells, Series


class Point(NamedTuple):
    """A data point. Amounts of metrics in seconds are integer nanoseconds; times are Unix nanoseconds.

    ``n`` counts the observations of a histogram and is what its ``cells`` add up to; it is 0 for a sum and 1 for a gauge.
    ``scale`` is the one they were counted in. ``text`` is the statement that stands in the series by its digest.
    """

    series: Series
    start_ns: int
    time_ns: int
    n: int
    total: float
    cells: Cells
    scale: int = SCALE
    text: str = ""


class Report(NamedTuple):
    """What one instance says at one time."""

    identity: Identity
    points: list[Point]
