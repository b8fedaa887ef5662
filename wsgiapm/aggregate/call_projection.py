# SPDX-License-Identifier: Apache-2.0
"""Projection of calls: the public metric, each statement by itself, and who calls what.

The cells are kept by statement. What people know is the sum over the statements that differ in nothing else, so the two
cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from wsgiapm.aggregate import schema
from wsgiapm.aggregate.catalogue import Series
from wsgiapm.aggregate.observations import MergedCells, Observed, make_point
from wsgiapm.aggregate.snapshot import Attributes, FamilyStream, HistogramPoint, NumberPoint
from wsgiapm.pace import Pace

_SECOND = 1_000_000_000


def histograms(name: str, points: Iterable[HistogramPoint]) -> FamilyStream:
    """Return a family of histograms that have cells of their own."""
    definition = schema.METRICS[name]
    return FamilyStream(name, definition.unit, definition.description, "histogram", points, definition.bounds)


def call_families(cells: MergedCells, found: Mapping[str, list[Series]], pace: Pace) -> Iterator[FamilyStream]:
    """Return the families of calls; `found` are the series that have cells, by metric."""
    for metric in sorted(schema.CALL_METRICS):
        yield histograms(metric, _public(cells, pace(found.get(metric, []))))
    statements = found.get(schema.DB_DURATION, [])
    description = "Duration of database operations, each statement by itself."
    points = _points(cells, statements)
    yield FamilyStream(schema.STATEMENT_DURATION, "s", description, "histogram", points)
    callers = found.get(schema.CALLER, [])
    for place, (name, unit, description) in enumerate(_CALLERS):
        yield FamilyStream(name, unit, description, "sum", _sums(cells, callers, place))


_CALLERS = (
    (schema.CALLER_CALLS, "{call}", "Calls of an operation that the transactions of a route made."),
    (schema.CALLER_TIME, "s", "Time of the same calls."),
    (schema.CALLER_REPETITIONS, "{transaction}", "Transactions that made five such calls or more."),
)


def _points(cells: MergedCells, series: Iterable[Series]) -> Iterator[HistogramPoint]:
    points = (make_point(each.attributes, cells.head(each)[0], cells.observed(each)) for each in series)
    return (point for point in points if point is not None)


def _public(cells: MergedCells, series: Iterable[Series]) -> Iterator[HistogramPoint]:
    """Return the histograms of calls by their public attributes alone."""
    found: dict[Attributes, tuple[int, list[Observed]]] = {}
    for each in series:
        attributes = tuple([(name, value) for name, value in each.attributes if not schema.is_private(name)])
        total, observed = found.get(attributes, (0, []))
        found[attributes] = total + cells.head(each)[0], observed + cells.observed(each)
    points = (make_point(attributes, total, observed) for attributes, (total, observed) in found.items())
    return (point for point in points if point is not None)


def _sums(cells: MergedCells, series: Iterable[Series], place: int) -> Iterator[NumberPoint]:
    is_time = _CALLERS[place][1] == "s"
    for each in series:
        value = cells.head(each)[place]
        if value:
            yield NumberPoint(each.attributes, value / _SECOND if is_time else value)
