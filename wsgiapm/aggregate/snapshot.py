# SPDX-License-Identifier: Apache-2.0
"""Snapshot: the merged truth of one instance at one moment, as plain immutable data.

It is what every exporter is given. Nothing in it refers to files, workers' memory or the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Attributes = tuple[tuple[str, str | int], ...]
"""Name and value pairs, sorted by name."""

Kind = Literal["sum", "updown", "gauge", "histogram"]


class NumberPoint(NamedTuple):
    """One value of a sum or a gauge, in the unit of its family."""

    attributes: Attributes
    value: int | float


@dataclass(frozen=True, slots=True)
class HistogramPoint:
    """One histogram over the cells of `aggregate.histogram`.

    `cells` are pairs of a cell's upper bound in integer nanoseconds and its count, ascending, without empty cells;
    `sum` is in the unit of the family.
    """

    attributes: Attributes
    count: int
    sum: float
    cells: tuple[tuple[int, int], ...]


class ExplicitHistogramPoint(NamedTuple):
    """One histogram over bounds of its own: `counts` are not cumulative and one longer than `bounds`."""

    attributes: Attributes
    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float


Point = NumberPoint | HistogramPoint | ExplicitHistogramPoint


@dataclass(frozen=True, slots=True)
class Family:
    """All points of one metric. `bounds` (seconds) are the classic buckets Prometheus is shown."""

    name: str
    unit: str
    description: str
    kind: Kind
    points: tuple[Point, ...]
    bounds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything one instance has counted since it began, as seen at `time_unix_nano`."""

    resource: Attributes
    start_time_unix_nano: int
    time_unix_nano: int
    families: tuple[Family, ...]
