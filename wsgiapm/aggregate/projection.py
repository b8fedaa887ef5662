# SPDX-License-Identifier: Apache-2.0
"""Projection: from merged cells to the metrics people know.

Requests, status codes, errors, percentiles and Apdex are all read from the same histogram cells, so they cannot
disagree.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from wsgiapm.aggregate import layout, schema
from wsgiapm.aggregate.adoption import Aborted, Ended
from wsgiapm.aggregate.catalogue import Catalogue, Series
from wsgiapm.aggregate.histogram import OVERFLOW, Table
from wsgiapm.aggregate.in_flight import Row
from wsgiapm.aggregate.layout import FIRST_CELL
from wsgiapm.aggregate.snapshot import Attributes, Family, HistogramPoint, NumberPoint

_SECOND = 1_000_000_000
_FRUSTRATED = 4
_UNKNOWN_METRIC = schema.Metric("1", layout.COUNTER, 1, "A counter of a later version.")


class Worker(Protocol):
    """What is asked of a worker here."""

    @property
    def number(self) -> int:
        """The number of its segment."""

    @property
    def live(self) -> bool:
        """Whether its process is alive."""

    @property
    def header(self) -> Sequence[int]:
        """The words of its segment's header."""

    @property
    def running(self) -> list[Row]:
        """Its requests in flight."""

    @property
    def aborted(self) -> list[Aborted]:
        """What it was killed in, as far as nobody has counted it yet."""

    @property
    def ended(self) -> list[Ended]:
        """What had ended when it was killed, as far as nobody has counted it yet."""

    @property
    def finished(self) -> int:
        """How many transactions its segment has finished."""


# Apdex T of the table, upper bound of the cell, and how many are in it.
_Observed = tuple[int, int, int]


@dataclass(slots=True)
class _Observations:
    """All observations of one histogram; `total` is their sum in nanoseconds."""

    attributes: Attributes
    total: int = 0
    observed: list[_Observed] = field(default_factory=list)

    def point(self) -> HistogramPoint | None:
        """Return the histogram, None when nothing was observed."""
        counts: dict[int, int] = defaultdict(int)
        for _, upper, count in self.observed:
            counts[upper] += count
        if not counts:
            return None
        return HistogramPoint(
            self.attributes, sum(counts.values()), self.total / _SECOND, tuple(sorted(counts.items()))
        )

    def add_zones(self, zones: dict[str, int]) -> None:
        """Add them to the Apdex zones; errors are frustrated."""
        failed = any(name == schema.ERROR for name, _ in self.attributes)
        for apdex_t, upper, count in self.observed:
            if failed or upper > _FRUSTRATED * apdex_t:
                zones["frustrated"] += count
            elif upper > apdex_t:
                zones["tolerating"] += count
            else:
                zones["satisfied"] += count


def _upper(cell_table: Table, cell: int) -> int:
    return cell_table.uppers[cell] if cell < len(cell_table.uppers) else OVERFLOW


def _read_cells(cells: Sequence[int], cell_table: Table, blocks: list[int]) -> Iterator[_Observed]:
    """Yield the cells that are not empty, ascending."""
    end = FIRST_CELL + len(cells)
    for octave, position in enumerate(blocks):
        first, size = cell_table.first[octave], cell_table.sizes[octave]
        start = position + first
        if position and start + size <= end:
            for cell, count in enumerate(cells[start - FIRST_CELL : start - FIRST_CELL + size], first):
                if count:
                    yield cell_table.apdex_t, _upper(cell_table, cell), count


def _observations(index: Catalogue, series: Series, cells: Sequence[int]) -> _Observations:
    head = series.head - FIRST_CELL
    total = cells[head] + cells[head + 1] if series.kind == layout.TRANSACTIONS else cells[head]
    observations = _Observations(series.attributes, total)
    for number, blocks in list(series.blocks.items()):
        observations.observed += _read_cells(cells, index.tables[number], blocks)
    return observations


def _read_requests(
    index: Catalogue, cells: Sequence[int], requests: list[Series], workers: Sequence[Worker]
) -> list[_Observations]:
    by_attributes = {series.attributes: _observations(index, series, cells) for series in requests}
    for worker in workers:
        for route, row in ((ended.route, ended.row) for ended in worker.ended):
            attributes = schema.request_attributes(route, row.status, row.method, row.scheme, row.error)
            observations = by_attributes.setdefault(attributes, _Observations(attributes))
            cell_table = index.tables[-1]
            upper = _upper(cell_table, bisect_left(cell_table.uppers, row.duration))
            observations.total += row.duration
            observations.observed.append((cell_table.apdex_t, upper, 1))
    return list(by_attributes.values())


def _route(attributes: Attributes) -> str:
    return str(next((value for name, value in attributes if name == schema.ROUTE), schema.UNKNOWN))


def _by_route(series: list[Series], cells: Sequence[int], head: int) -> dict[str, int]:
    sums: dict[str, int] = defaultdict(int)
    for one in series:
        sums[_route(one.attributes)] += cells[one.head + head - FIRST_CELL]
    return sums


def _sum_family(name: str, unit: str, description: str, values: dict[Attributes, int | float]) -> Family:
    points = tuple(NumberPoint(attributes, value) for attributes, value in sorted(values.items()) if value)
    return Family(name, unit, description, "sum", points)


def _histogram_family(name: str, every: Iterable[_Observations]) -> Family:
    definition = schema.METRICS[name]
    points = tuple(point for point in (observations.point() for observations in every) if point is not None)
    return Family(name, definition.unit, definition.description, "histogram", points, definition.bounds)


def _requests(
    index: Catalogue, cells: Sequence[int], every: list[Series], workers: Sequence[Worker]
) -> Iterator[Family]:
    requests = [s for s in every if s.metric == schema.REQUEST_DURATION]
    observed = _read_requests(index, cells, requests, workers)
    yield _histogram_family(schema.REQUEST_DURATION, observed)
    zones: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(("satisfied", "tolerating", "frustrated"), 0))
    for observations in observed:
        observations.add_zones(zones[_route(observations.attributes)])
    yield _sum_family(
        schema.APDEX_REQUESTS,
        "{request}",
        "Requests by Apdex zone.",
        {((schema.ROUTE, r), ("zone", z)): n for r, by_zone in zones.items() for z, n in by_zone.items()},
    )
    yield _sum_family(
        schema.FIRST_BYTE_TIME,
        "s",
        "Time from the call to the first byte of the response, summed over the requests.",
        {((schema.ROUTE, route),): value / _SECOND for route, value in _by_route(requests, cells, 0).items()},
    )
    yield _sum_family(
        schema.RESPONSE_SIZE,
        "By",
        "Bytes of response bodies as the app gave them.",
        {((schema.ROUTE, route),): value for route, value in _by_route(requests, cells, 2).items()},
    )


def _counters(cells: Sequence[int], every: list[Series], workers: Sequence[Worker]) -> Iterator[Family]:
    values: dict[str, dict[Attributes, int | float]] = {schema.ABORTED_REQUESTS: {}, schema.DROPPED: {}}
    for series in every:
        if series.kind == layout.COUNTER:
            values.setdefault(series.metric, {})[series.attributes] = cells[series.head - FIRST_CELL]
    aborted = values[schema.ABORTED_REQUESTS]
    for worker in workers:
        for entry in worker.aborted:
            key: Attributes = ((schema.ROUTE, entry.route), ("reason", entry.reason))
            aborted[key] = aborted.get(key, 0) + entry.count
    for name, by_attributes in values.items():
        definition = schema.METRICS.get(name, _UNKNOWN_METRIC)
        yield _sum_family(name, definition.unit, definition.description, by_attributes)


def _queue(index: Catalogue, cells: Sequence[int], every: list[Series]) -> Family:
    queue = (_observations(index, s, cells) for s in every if s.metric == schema.QUEUE_TIME)
    return _histogram_family(schema.QUEUE_TIME, queue)


def _active(workers: Sequence[Worker]) -> Family:
    counts: dict[Attributes, int] = defaultdict(int)
    for worker in workers:
        for row in worker.running:
            counts[(schema.METHOD, row.method), (schema.SCHEME, row.scheme)] += 1
        if worker.live and worker.header[layout.ROWLESS]:
            counts[(schema.METHOD, schema.OTHER_METHOD), (schema.SCHEME, "http")] += worker.header[layout.ROWLESS]
    for method in ("GET", "POST"):
        counts[(schema.METHOD, method), (schema.SCHEME, "http")] += 0
    points = tuple(NumberPoint(attributes, count) for attributes, count in sorted(counts.items()))
    return Family(schema.ACTIVE_REQUESTS, "{request}", "Requests that are running now.", "updown", points)


def _workers(workers: Sequence[Worker]) -> Iterator[Family]:
    def key(worker: Worker) -> Attributes:
        return (("worker", worker.number),)

    requests = {key(w): w.finished + len(w.ended) for w in workers}
    yield _sum_family(schema.WORKER_REQUESTS, "{request}", "Requests a worker has finished.", {**requests})
    yield _sum_family(
        schema.WORKER_CPU_TIME,
        "s",
        "CPU time the processes of a worker's place have used.",
        {key(w): w.header[layout.CPU_TIME] / _SECOND for w in workers},
    )
    memory = tuple(
        NumberPoint(key(w), w.header[layout.RESIDENT_MEMORY])
        for w in workers
        if w.live and w.header[layout.RESIDENT_MEMORY]
    )
    yield Family(schema.WORKER_MEMORY, "By", "Resident memory of a worker.", "gauge", memory)


def project(index: Catalogue, cells: Sequence[int], workers: Sequence[Worker]) -> tuple[Family, ...]:
    """Return all metric families of an instance; `cells` are the merged cells from chunk 0 on."""
    end = FIRST_CELL + len(cells)
    every = [s for s in index.series[:] if s.head + s.head_cells <= end]
    thresholds = index.tables[-1:]
    threshold = tuple(NumberPoint((), t.apdex_t / _SECOND) for t in thresholds)
    return (
        *_requests(index, cells, every, workers),
        _queue(index, cells, every),
        _active(workers),
        *_counters(cells, every, workers),
        *_workers(workers),
        Family(schema.APDEX_THRESHOLD, "s", "The Apdex T.", "gauge", threshold),
    )
