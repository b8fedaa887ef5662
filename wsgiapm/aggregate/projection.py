# SPDX-License-Identifier: Apache-2.0
"""Projection: from merged cells to the metrics people know.

Requests, status codes, errors, percentiles and Apdex are all read from the same histogram cells, so they cannot
disagree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Protocol

from wsgiapm.aggregate import layout, schema
from wsgiapm.aggregate.adoption import Aborted
from wsgiapm.aggregate.histogram import OVERFLOW, Table
from wsgiapm.aggregate.in_flight import Row
from wsgiapm.aggregate.index import Index, Series
from wsgiapm.aggregate.layout import FIRST_CELL
from wsgiapm.aggregate.snapshot import Attributes, Family, HistogramPoint, NumberPoint

_SECOND = 1_000_000_000
_FRUSTRATED = 4


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
    def settled(self) -> int:
        """How many transactions of its segment have been counted as aborted."""


Counts = dict[int, int]


def _read_cells(cells: Sequence[int], cell_table: Table, blocks: list[int]) -> Iterator[tuple[int, int]]:
    """Yield upper bound and count of each cell that is not empty, ascending."""
    uppers, end = cell_table.uppers, FIRST_CELL + len(cells)
    for octave, position in enumerate(blocks):
        first = cell_table.first[octave]
        start = position + first
        if position and start + cell_table.sizes[octave] <= end:
            for i, count in enumerate(cells[start - FIRST_CELL : start - FIRST_CELL + cell_table.sizes[octave]], first):
                if count:
                    yield (uppers[i] if i < len(uppers) else OVERFLOW), count


def _histogram(index: Index, series: Series, cells: Sequence[int]) -> HistogramPoint | None:
    counts: Counts = defaultdict(int)
    for number, blocks in list(series.blocks.items()):
        for upper, count in _read_cells(cells, index.tables[number], blocks):
            counts[upper] += count
    if not counts:
        return None
    total = cells[series.head - FIRST_CELL] / _SECOND
    ordered = tuple(sorted(counts.items()))
    return HistogramPoint(series.attributes, sum(counts.values()), total, ordered)


def _zones(index: Index, series: Series, cells: Sequence[int], zones: dict[str, int]) -> None:
    frustrated = any(name == schema.ERROR for name, _ in series.attributes)
    for number, blocks in list(series.blocks.items()):
        apdex_t = index.tables[number].apdex_t
        for upper, count in _read_cells(cells, index.tables[number], blocks):
            if frustrated or upper > _FRUSTRATED * apdex_t:
                zones["frustrated"] += count
            elif upper > apdex_t:
                zones["tolerating"] += count
            else:
                zones["satisfied"] += count


def _route(series: Series) -> str:
    return str(next((value for name, value in series.attributes if name == schema.ROUTE), schema.UNKNOWN))


def _by_route(series: list[Series], cells: Sequence[int], head: int) -> dict[str, int]:
    sums: dict[str, int] = defaultdict(int)
    for one in series:
        sums[_route(one)] += cells[one.head + head - FIRST_CELL]
    return sums


def _sum_family(name: str, unit: str, description: str, values: dict[Attributes, int | float]) -> Family:
    points = tuple(NumberPoint(attributes, value) for attributes, value in sorted(values.items()) if value)
    return Family(name, unit, description, "sum", points)


def _requests(index: Index, cells: Sequence[int], every: list[Series]) -> Iterator[Family]:
    requests = [s for s in every if s.metric == schema.REQUEST_DURATION]
    definition = schema.METRICS[schema.REQUEST_DURATION]
    points = tuple(p for p in (_histogram(index, s, cells) for s in requests) if p is not None)
    yield Family(
        schema.REQUEST_DURATION, definition.unit, definition.description, "histogram", points, definition.bounds
    )
    zones: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(("satisfied", "tolerating", "frustrated"), 0))
    for series in requests:
        _zones(index, series, cells, zones[_route(series)])
    yield _sum_family(
        schema.APDEX_REQUESTS,
        "{request}",
        "Requests by Apdex zone.",
        {((schema.ROUTE, r), ("zone", z)): n for r, by_zone in zones.items() for z, n in by_zone.items()},
    )
    first_bytes = _by_route(requests, cells, 1)
    yield _sum_family(
        schema.FIRST_BYTE_TIME,
        "s",
        "Time from the call to the first byte of the response, summed over the requests.",
        {((schema.ROUTE, route),): value / _SECOND for route, value in first_bytes.items()},
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
            values[series.metric][series.attributes] = cells[series.head - FIRST_CELL]
    aborted = values[schema.ABORTED_REQUESTS]
    for worker in workers:
        for entry in worker.aborted:
            key: Attributes = ((schema.ROUTE, entry.route), ("reason", entry.reason))
            aborted[key] = aborted.get(key, 0) + entry.count
    for name, by_attributes in values.items():
        definition = schema.METRICS[name]
        yield _sum_family(name, definition.unit, definition.description, by_attributes)


def _queue(index: Index, cells: Sequence[int], every: list[Series]) -> Family:
    found = (_histogram(index, s, cells) for s in every if s.metric == schema.QUEUE_TIME)
    definition = schema.METRICS[schema.QUEUE_TIME]
    points = tuple(p for p in found if p is not None)
    return Family(schema.QUEUE_TIME, "s", definition.description, "histogram", points, definition.bounds)


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


def _finished(worker: Worker) -> int:
    if worker.live:
        return worker.header[layout.FINISHED]
    unsettled = sum(entry.count for entry in worker.aborted)
    return max(worker.header[layout.BEGUN] - unsettled - worker.settled, 0)


def _workers(workers: Sequence[Worker]) -> Iterator[Family]:
    def key(worker: Worker) -> Attributes:
        return (("worker", worker.number),)

    requests = {key(w): _finished(w) for w in workers}
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


def project(index: Index, cells: Sequence[int], workers: Sequence[Worker]) -> tuple[Family, ...]:
    """Return all metric families of an instance; `cells` are the merged cells from chunk 0 on."""
    end = FIRST_CELL + len(cells)
    every = [s for s in index.series[:] if s.head + s.head_cells <= end]
    thresholds = index.tables[-1:]
    threshold = tuple(NumberPoint((), t.apdex_t / _SECOND) for t in thresholds)
    return (
        *_requests(index, cells, every),
        _queue(index, cells, every),
        _active(workers),
        *_counters(cells, every, workers),
        *_workers(workers),
        Family(schema.APDEX_THRESHOLD, "s", "The Apdex T.", "gauge", threshold),
    )
