# SPDX-License-Identifier: Apache-2.0
"""Projection: from merged cells to the metrics people know.

Requests, status codes, errors, percentiles and Apdex are all read from the same histogram cells, so they cannot
disagree.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from wsgiapm.aggregate import layout, schema
from wsgiapm.aggregate.catalogue import Catalogue, Series
from wsgiapm.aggregate.histogram import OVERFLOW, Table
from wsgiapm.aggregate.layout import FIRST_CELL
from wsgiapm.aggregate.observations import MergedCells, Observed, make_point
from wsgiapm.aggregate.snapshot import Attributes, Family, HistogramPoint, NumberPoint
from wsgiapm.aggregate.workers import Worker, worker_families
from wsgiapm.pace import Pace, at_once

_SECOND = 1_000_000_000
_UNKNOWN_METRIC = schema.Metric("1", layout.COUNTER, 1, "A counter of a later version.")


# The sum of observations in nanoseconds, and the observations.
_Total = tuple[int, list[Observed]]


class _Route:
    """What the requests of one route come to, whatever their status: by Apdex zone, nanoseconds, bytes."""

    __slots__ = ("first_byte", "frustrated", "satisfied", "size", "tolerating")

    def __init__(self) -> None:
        self.satisfied = self.tolerating = self.frustrated = 0
        self.first_byte = self.size = 0

    def add_zones(self, every: list[Observed], *, failed: bool) -> None:
        """Add observations to the Apdex zones; errors are frustrated."""
        for observed in every:
            satisfied, tolerating, frustrated = observed.zones()
            if failed:
                self.frustrated += satisfied + tolerating + frustrated
            else:
                self.satisfied += satisfied
                self.tolerating += tolerating
                self.frustrated += frustrated


class _Requests:
    """The histograms of the requests, and what they come to by route."""

    def __init__(self) -> None:
        self.points: list[HistogramPoint] = []
        self.routes: dict[str, _Route] = defaultdict(_Route)

    def add(self, attributes: Attributes, total: int, observed: list[Observed]) -> _Route:
        """Add a histogram, whose observations took `total` nanoseconds; returns its route."""
        point = make_point(attributes, total, observed)
        if point is not None:
            self.points.append(point)
        names = dict(attributes)
        route = self.routes[str(names.get(schema.ROUTE, schema.UNKNOWN))]
        route.add_zones(observed, failed=schema.ERROR in names)
        return route


def _read_requests(
    cells: MergedCells, requests: Iterable[Series], workers: Sequence[Worker], tables: Sequence[Table]
) -> _Requests:
    found = _Requests()
    ended = _read_ended(workers, tables)
    for series in requests:
        before, after, size = cells.head(series)
        more, later = ended.pop(series.attributes, (0, []))
        route = found.add(series.attributes, before + after + more, cells.observed(series) + later)
        route.first_byte += before
        route.size += size
    for attributes, (total, observed) in ended.items():
        found.add(attributes, total, observed)
    return found


def _read_ended(workers: Sequence[Worker], tables: Sequence[Table]) -> dict[Attributes, _Total]:
    """Return what had ended in dead workers and is not in their cells yet."""
    found: dict[Attributes, _Total] = {}
    for its_t, entry in ((worker.header[layout.APDEX_T], entry) for worker in workers for entry in worker.ended):
        row, table = entry.row, next((table for table in tables if table.apdex_t == its_t), tables[-1])
        attributes = schema.request_attributes(entry.route, row.status, row.method, row.scheme, row.error)
        upper = (*table.uppers, OVERFLOW)[bisect_left(table.uppers, row.duration)]
        total, before = found.get(attributes, (0, []))
        found[attributes] = total + row.duration, [*before, Observed(table.apdex_t, (upper,), (1,))]
    return found


def _histogram_family(name: str, points: Iterable[HistogramPoint | None]) -> Family:
    definition = schema.METRICS[name]
    shown = tuple([point for point in points if point is not None])
    return Family(name, definition.unit, definition.description, "histogram", shown, definition.bounds)


def _requests(
    index: Catalogue, cells: MergedCells, every: list[Series], workers: Sequence[Worker], pace: Pace
) -> Iterator[Family]:
    requests = pace([s for s in every if s.metric == schema.REQUEST_DURATION])
    found = _read_requests(cells, requests, workers, index.tables)
    yield _histogram_family(schema.REQUEST_DURATION, found.points)
    zones: list[NumberPoint] = []
    first_bytes: list[NumberPoint] = []
    sizes: list[NumberPoint] = []
    for name, route in found.routes.items():
        label = (schema.ROUTE, name)
        if route.satisfied:
            zones.append(NumberPoint((label, ("zone", "satisfied")), route.satisfied))
        if route.tolerating:
            zones.append(NumberPoint((label, ("zone", "tolerating")), route.tolerating))
        if route.frustrated:
            zones.append(NumberPoint((label, ("zone", "frustrated")), route.frustrated))
        if route.first_byte:
            first_bytes.append(NumberPoint((label,), route.first_byte / _SECOND))
        if route.size:
            sizes.append(NumberPoint((label,), route.size))
    yield Family(schema.APDEX_REQUESTS, "{request}", "Requests by Apdex zone.", "sum", tuple(zones))
    description = "Time from the call to the first byte of the response, summed over the requests."
    yield Family(schema.FIRST_BYTE_TIME, "s", description, "sum", tuple(first_bytes))
    yield Family(schema.RESPONSE_SIZE, "By", "Bytes of response bodies as the app gave them.", "sum", tuple(sizes))


def _counters(merged: memoryview[int], every: list[Series], workers: Sequence[Worker]) -> Iterator[Family]:
    values: dict[str, dict[Attributes, int | float]] = {schema.ABORTED_REQUESTS: {}, schema.DROPPED: {}}
    for series in every:
        if series.kind == layout.COUNTER:
            values.setdefault(series.metric, {})[series.attributes] = merged[series.head - FIRST_CELL]
    aborted = values[schema.ABORTED_REQUESTS]
    for worker in workers:
        for entry in worker.aborted:
            key: Attributes = ((schema.ROUTE, entry.route), ("reason", entry.reason))
            aborted[key] = aborted.get(key, 0) + entry.count
    for name, by_attributes in values.items():
        definition = schema.METRICS.get(name, _UNKNOWN_METRIC)
        yield Family.sums(name, definition.unit, definition.description, by_attributes.items())


def _durations(metric: str, cells: MergedCells, every: list[Series]) -> Family:
    points = [
        make_point(series.attributes, cells.head(series)[0], cells.observed(series))
        for series in every
        if series.metric == metric
    ]
    return _histogram_family(metric, points)


def _active(requests: Iterable[Series], workers: Sequence[Worker]) -> Family:
    # Every method has its point, running or not: a gauge that vanishes keeps its last value in back ends.
    https = (schema.SCHEME, "https")
    schemes = schema.SCHEMES if any(https in series.attributes for series in requests) else ("http",)
    counts: dict[Attributes, int] = defaultdict(int)
    for scheme in schemes:
        for method in schema.METHODS:
            counts[(schema.METHOD, method), (schema.SCHEME, scheme)] = 0
    for worker in workers:
        for row in worker.running:
            counts[(schema.METHOD, row.method), (schema.SCHEME, row.scheme)] += 1
        if worker.live and worker.header[layout.ROWLESS]:
            counts[(schema.METHOD, schema.OTHER_METHOD), (schema.SCHEME, "http")] += worker.header[layout.ROWLESS]
    points = tuple(NumberPoint(attributes, count) for attributes, count in sorted(counts.items()))
    return Family(schema.ACTIVE_REQUESTS, "{request}", "Requests that are running now.", "updown", points)


def _thresholds(tables: Sequence[Table], workers: Sequence[Worker]) -> tuple[NumberPoint, ...]:
    """Return the Apdex T of who has begun to count last, of those that live if any does."""
    newest = max(workers, key=lambda worker: (worker.live, worker.header[layout.CLAIMED_WALL]), default=None)
    in_force = newest.header[layout.APDEX_T] if newest is not None else 0
    if not in_force and tables:
        in_force = tables[-1].apdex_t
    return (NumberPoint((), in_force / _SECOND),) if in_force else ()


def project(
    index: Catalogue, merged: memoryview[int], workers: Sequence[Worker], pace: Pace = at_once
) -> tuple[Family, ...]:
    """Return all metric families of an instance; `merged` are the merged cells from chunk 0 on."""
    end = FIRST_CELL + len(merged)
    every = [s for s in index.series[:] if s.head + s.head_cells <= end]
    cells = MergedCells(index, merged)
    return (
        *_requests(index, cells, every, workers, pace),
        _durations(schema.QUEUE_TIME, cells, every),
        _durations(schema.STREAM_DURATION, cells, every),
        _active([s for s in every if s.metric == schema.REQUEST_DURATION], workers),
        *_counters(merged, every, workers),
        *worker_families(workers),
        Family(schema.APDEX_THRESHOLD, "s", "The Apdex T.", "gauge", _thresholds(index.tables, workers)),
    )
