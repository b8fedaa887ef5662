# SPDX-License-Identifier: Apache-2.0
"""Snapshot: the merged truth of one instance at one moment, as plain immutable data.

It is what every exporter is given. Nothing in it refers to files, workers' memory or the network.
"""

# Without annotations as text: typing would compile each of them when the classes are made.

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple  # not our own: points are made by the thousand

Attributes = tuple[tuple[str, str | int], ...]
"""Name and value pairs, sorted by name."""

Kind = Literal["sum", "updown", "gauge", "histogram"]


class NumberPoint(NamedTuple):
    """One value of a sum or a gauge, in the unit of its family."""

    attributes: Attributes
    value: int | float


class HistogramPoint:
    """One histogram over the cells of `aggregate.histogram`.

    `uppers` are the cells' upper bounds in integer nanoseconds, ascending, `counts` what is in them, never 0; `sum` is
    in the unit of the family. Two flat tuples, because the garbage collector would go through thousands of pairs.
    """

    __slots__ = ("attributes", "count", "counts", "sum", "uppers")

    uppers: tuple[int, ...]
    counts: tuple[int, ...]

    def __init__(self, attributes: Attributes, count: int, sum: float, cells: Iterable[tuple[int, int]]) -> None:  # noqa: A002
        """`cells` are pairs of upper bound and count."""
        self.attributes = attributes
        self.count = count
        self.sum = sum
        self.uppers, self.counts = zip(*cells, strict=True) if cells else ((), ())

    @classmethod
    def from_counts(
        cls, attributes: Attributes, total: float, uppers: tuple[int, ...], counts: tuple[int, ...]
    ) -> "HistogramPoint":
        """Return the histogram with these cells; `total` is in the unit of the family."""
        point = cls(attributes, sum(counts), total, ())
        point.uppers = uppers
        point.counts = counts
        return point

    def _parts(self) -> tuple[object, ...]:
        return self.attributes, self.count, self.sum, self.uppers, self.counts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HistogramPoint) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def __repr__(self) -> str:
        return f"HistogramPoint{(self.attributes, self.count, self.sum, self.cells)!r}"

    @property
    def cells(self) -> tuple[tuple[int, int], ...]:
        """The pairs of upper bound and count."""
        return tuple(zip(self.uppers, self.counts, strict=True))


class ExplicitHistogramPoint(NamedTuple):
    """One histogram over bounds of its own: `counts` are not cumulative and one longer than `bounds`."""

    attributes: Attributes
    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float


Point = NumberPoint | HistogramPoint | ExplicitHistogramPoint


class Family(NamedTuple):
    """All points of one metric. `bounds` (seconds) are the classic buckets Prometheus is shown."""

    name: str
    unit: str
    description: str
    kind: Kind
    points: tuple[Point, ...]
    bounds: tuple[float, ...] = ()

    @classmethod
    def sums(cls, name: str, unit: str, description: str, values: Iterable[tuple[Attributes, int | float]]) -> "Family":
        """Return a family of sums; those that are 0 are left out."""
        points = tuple([NumberPoint(attributes, value) for attributes, value in values if value])
        return cls(name, unit, description, "sum", points)


class FamilyStream:
    """A family whose points are made while they are gone through, once, and before the next family is asked for."""

    __slots__ = ("bounds", "description", "kind", "name", "points", "unit")

    def __init__(
        self,
        name: str,
        unit: str,
        description: str,
        kind: Kind,
        points: Iterable[Point],
        bounds: tuple[float, ...] = (),
    ) -> None:
        """See `Family`."""
        self.name = name
        self.unit = unit
        self.description = description
        self.kind = kind
        self.points = points
        self.bounds = bounds

    def collect(self) -> Family:
        """Return the family with all its points."""
        return Family(self.name, self.unit, self.description, self.kind, tuple(self.points), self.bounds)


class Snapshot(NamedTuple):
    """Everything one instance has counted since it began, as seen at `time_unix_nano`."""

    resource: Attributes
    start_time_unix_nano: int
    time_unix_nano: int
    families: tuple[Family, ...]


class SnapshotStream:
    """A snapshot that is gone through once, family by family, for who needs no more than a point at a time.

    Thousands of points in memory at once would make Python's garbage collector go through all objects of the process,
    with every thread stopped.
    """

    __slots__ = ("families", "has_requests", "resource", "start_time_unix_nano", "time_unix_nano")

    def __init__(
        self,
        resource: Attributes,
        start: int,
        now: int,
        families: Iterator[Family | FamilyStream],
        *,
        has_requests: bool,
    ) -> None:
        """`start` and `now` are wall time in nanoseconds."""
        self.resource = resource
        self.start_time_unix_nano = start
        self.time_unix_nano = now
        self.families = families
        self.has_requests = has_requests
