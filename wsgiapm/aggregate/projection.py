# SPDX-License-Identifier: Apache-2.0
"""Projection: from merged cells to the metrics people know.

Requests, status codes, errors, percentiles and Apdex are all read from the same histogram cells, so they cannot
disagree.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from wsgiapm.aggregate import layout, schema
from wsgiapm.aggregate.call_projection import call_families, histograms
from wsgiapm.aggregate.catalogue import Catalogue, Series
from wsgiapm.aggregate.histogram import OVERFLOW, Table
from wsgiapm.aggregate.layout import FIRST_CELL
from wsgiapm.aggregate.observations import MergedCells, Observed, make_point
from wsgiapm.aggregate.snapshot import Attributes, Family, FamilyStream, HistogramPoint, NumberPoint
from wsgiapm.aggregate.task_projection import Tasks
from wsgiapm.aggregate.workers import Worker, worker_families
from wsgiapm.pace import Pace, at_once, in_parts

_SECOND = 1_000_000_000
_UNKNOWN_METRIC = schema.Metric("1", layout.COUNTER, 1, "A counter of a later version.")


# The sum of observations in nanoseconds, and the observations.
_Total = tuple[int, list[Observed]]


class _Sums(NamedTuple):
    """What the requests of a series took: nanoseconds up to the first byte, bytes, and nanoseconds in each component."""

    first_byte: int
    size: int
    components: list[int]


def _read_sums(cells: MergedCells, series: Series, parts: Series | None, later: int) -> _Sums:
    """Return the sums of a series; `later` are nanoseconds that are not in its cells yet."""
    before, after, size = cells.head(series)
    python = before + after + later
    if parts is None:
        return _Sums(before, size, [python])
    first_byte, rest, *others = cells.head(parts)
    # What is being counted while it is read may be in one cell and not yet in another.
    return _Sums(before + first_byte, size, [python + max(first_byte + rest - sum(others), 0), *others])


class _Routes:
    """What the requests of each route come to, whatever their status: by Apdex zone, component, nanoseconds, bytes.

    In flat lists, so that the garbage collector has nothing to go through.
    """

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._satisfied: list[int] = []
        self._tolerating: list[int] = []
        self._frustrated: list[int] = []
        self._first_bytes: list[int] = []
        self._sizes: list[int] = []
        self._components: list[list[int]] = [[] for _ in (schema.PYTHON, *schema.COMPONENTS)]

    def add(self, attributes: Attributes, every: list[Observed], sums: _Sums) -> None:
        """Add the observations of a series; errors are frustrated."""
        names = dict(attributes)
        route = str(names.get(schema.ROUTE, schema.UNKNOWN))
        place = self._places.setdefault(route, len(self._sizes))
        if place == len(self._sizes):
            zones = self._satisfied, self._tolerating, self._frustrated
            for of_routes in (*zones, self._first_bytes, self._sizes, *self._components):
                of_routes.append(0)
        for of_routes, nanoseconds in zip(
            self._components, sums.components, strict=False
        ):  # often there is but Python's
            of_routes[place] += nanoseconds
        for observed in every:
            satisfied, tolerating, frustrated = observed.zones()
            if schema.ERROR in names:
                self._frustrated[place] += satisfied + tolerating + frustrated
            else:
                self._satisfied[place] += satisfied
                self._tolerating[place] += tolerating
                self._frustrated[place] += frustrated
        self._first_bytes[place] += sums.first_byte
        self._sizes[place] += sums.size

    def zones(self) -> Iterator[NumberPoint]:
        """Return the requests by route and Apdex zone."""
        zones = (("satisfied", self._satisfied), ("tolerating", self._tolerating), ("frustrated", self._frustrated))
        for zone, counts in zones:
            for name, place in self._places.items():
                if counts[place]:
                    yield NumberPoint(((schema.ROUTE, name), ("zone", zone)), counts[place])

    def components(self) -> Iterator[NumberPoint]:
        """Return the seconds of each component by route."""
        for component, sums in zip((schema.PYTHON, *schema.COMPONENTS), self._components, strict=True):
            for name, place in self._places.items():
                if sums[place]:
                    yield NumberPoint(((schema.COMPONENT, component), (schema.ROUTE, name)), sums[place] / _SECOND)

    def first_bytes(self) -> Iterator[NumberPoint]:
        """Return the seconds up to the first byte by route."""
        return self._points((name, self._first_bytes[place] / _SECOND) for name, place in self._places.items())

    def sizes(self) -> Iterator[NumberPoint]:
        """Return the bytes by route."""
        return self._points((name, self._sizes[place]) for name, place in self._places.items())

    def _points(self, values: Iterable[tuple[str, int | float]]) -> Iterator[NumberPoint]:
        return (NumberPoint(((schema.ROUTE, name),), value) for name, value in values if value)


def _request_points(
    cells: MergedCells,
    requests: Iterable[Series],
    parts: Mapping[Attributes, Series],
    ended: dict[Attributes, _Total],
    routes: _Routes,
) -> Iterator[HistogramPoint]:
    """Return the histograms of the requests, adding them up in `routes` on the way."""
    for series in requests:
        more, later = ended.pop(series.attributes, (0, []))
        observed = cells.observed(series) + later
        sums = _read_sums(cells, series, parts.get(series.attributes), more)
        routes.add(series.attributes, observed, sums)
        point = make_point(series.attributes, sum(sums.components), observed)
        if point is not None:
            yield point
    for attributes, (total, observed) in ended.items():
        routes.add(attributes, observed, _Sums(0, 0, [total]))
        point = make_point(attributes, total, observed)
        if point is not None:
            yield point


def _read_ended(workers: Sequence[Worker], tables: Sequence[Table], metric: str) -> dict[Attributes, _Total]:
    """Return what had ended in dead workers and is not in their cells yet, as far as it is counted in this metric."""
    found: dict[Attributes, _Total] = {}
    for its_t, entry in ((worker.header[layout.APDEX_T], entry) for worker in workers for entry in worker.ended):
        row, table = entry.row, next((table for table in tables if table.apdex_t == its_t), tables[-1])
        its_metric, attributes = entry.series
        if its_metric != metric:
            continue
        upper = (*table.uppers, OVERFLOW)[bisect_left(table.uppers, row.duration)]
        total, before = found.get(attributes, (0, []))
        found[attributes] = total + row.duration, [*before, Observed(table.apdex_t, (upper,), (1,))]
    return found


def _requests(
    cells: MergedCells,
    requests: Iterable[Series],
    parts: Mapping[Attributes, Series],
    ended: dict[Attributes, _Total],
    tasks: Tasks,
) -> Iterator[FamilyStream]:
    routes = _Routes()
    points = _request_points(cells, requests, parts, ended, routes)
    yield histograms(schema.REQUEST_DURATION, points)
    yield FamilyStream(schema.APDEX_REQUESTS, "{request}", "Requests by Apdex zone.", "sum", routes.zones())
    description = "Where the time of requests and background tasks went: each instant belongs to one component."
    yield FamilyStream(schema.COMPONENT_TIME, "s", description, "sum", chain(routes.components(), tasks.components))
    description = "Time from the call to the first byte of the response, summed over the requests."
    yield FamilyStream(schema.FIRST_BYTE_TIME, "s", description, "sum", routes.first_bytes())
    description = "Bytes of response bodies as the app gave them."
    yield FamilyStream(schema.RESPONSE_SIZE, "By", description, "sum", routes.sizes())


def _sort(every: list[Series], end: int, pace: Pace) -> dict[str, list[Series]]:
    """Return the series whose cells lie before `end`, by metric."""
    found: dict[str, list[Series]] = defaultdict(list)
    for some in in_parts(every, pace):
        for series in some:
            if series.head + series.head_cells <= end:
                found[series.metric].append(series)
    return found


def _counters(merged: memoryview[int], every: Iterable[Series], workers: Sequence[Worker]) -> Iterator[Family]:
    always = schema.ABORTED_REQUESTS, schema.ABORTED_TASKS, schema.DROPPED
    values: dict[str, dict[Attributes, int | float]] = {name: {} for name in always}
    for series in every:
        if series.kind == layout.COUNTER:
            values.setdefault(series.metric, {})[series.attributes] = merged[series.head - FIRST_CELL]
    for worker in workers:
        for entry in worker.aborted:
            metric, key = entry.series
            values[metric][key] = values[metric].get(key, 0) + entry.count
    for name, by_attributes in values.items():
        definition = schema.METRICS.get(name, _UNKNOWN_METRIC)
        yield Family.sums(name, definition.unit, definition.description, by_attributes.items())


def _durations(metric: str, cells: MergedCells, found: Mapping[str, list[Series]]) -> FamilyStream:
    every = found.get(metric, [])
    points = (make_point(series.attributes, cells.head(series)[0], cells.observed(series)) for series in every)
    return histograms(metric, (point for point in points if point is not None))


def _active(requests: list[Series], workers: Sequence[Worker], pace: Pace) -> Family:
    # Every method has its point, running or not: a gauge that vanishes keeps its last value in back ends.
    https = (schema.SCHEME, "https")
    is_known = any(any(https in series.attributes for series in some) for some in in_parts(requests, pace))
    schemes = schema.SCHEMES if is_known else ("http",)
    counts: dict[Attributes, int] = defaultdict(int)
    for scheme in schemes:
        for method in schema.METHODS:
            counts[(schema.METHOD, method), (schema.SCHEME, scheme)] = 0
    for worker in workers:
        for row in (row for row in worker.running if not row.is_task):
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


def stream(
    index: Catalogue, merged: memoryview[int], workers: Sequence[Worker], pace: Pace = at_once
) -> Iterator[Family | FamilyStream]:
    """Return all metric families of an instance, to be gone through once; `merged` are the cells from chunk 0 on."""
    end = FIRST_CELL + len(merged)
    found = _sort(index.series[:], end, pace)
    requests = found.get(schema.REQUEST_DURATION, [])
    cells = MergedCells(index, merged, pace)
    parts = {s.attributes: s for some in in_parts(found.get(schema.REQUEST_PARTS, []), pace) for s in some}
    tasks = Tasks(cells, found)
    tasks.read(_read_ended(workers, index.tables, schema.TASK_DURATION))
    yield from _requests(cells, requests, parts, _read_ended(workers, index.tables, schema.REQUEST_DURATION), tasks)
    yield tasks.durations
    yield tasks.active(workers, index.names)
    yield _durations(schema.TASK_QUEUE_TIME, cells, found)
    yield _durations(schema.QUEUE_TIME, cells, found)
    yield _durations(schema.STREAM_DURATION, cells, found)
    yield from call_families(cells, found, pace)
    yield _active(requests, workers, pace)
    counters = (s for of_metric in found.values() if of_metric[0].kind == layout.COUNTER for s in of_metric)
    yield from _counters(merged, counters, workers)
    yield from worker_families(workers)
    yield Family(schema.APDEX_THRESHOLD, "s", "The Apdex T.", "gauge", _thresholds(index.tables, workers))


def project(index: Catalogue, merged: memoryview[int], workers: Sequence[Worker]) -> tuple[Family, ...]:
    """Return all metric families of an instance with all their points."""
    every = stream(index, merged, workers)
    return tuple([family if isinstance(family, Family) else family.collect() for family in every])
