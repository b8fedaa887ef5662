# SPDX-License-Identifier: Apache-2.0
"""Projection of background tasks: how long they took and how they ended, where their time went, and which run now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from wsgiapm.aggregate import schema
from wsgiapm.aggregate.call_projection import histograms
from wsgiapm.aggregate.catalogue import Series
from wsgiapm.aggregate.observations import MergedCells, Observed, make_point
from wsgiapm.aggregate.snapshot import Attributes, Family, FamilyStream, HistogramPoint, NumberPoint
from wsgiapm.aggregate.workers import Worker

_SECOND = 1_000_000_000


class Tasks:
    """The tasks of an instance. `components` are the seconds of each component by task."""

    def __init__(self, cells: MergedCells, found: Mapping[str, Sequence[Series]]) -> None:
        """`found` are the series that have cells, by metric."""
        self._points: list[HistogramPoint] = []
        self._names: set[str] = set()
        self._sums: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._parts = {series.attributes: series for series in found.get(schema.TASK_PARTS, ())}
        self._cells = cells
        self._series = found.get(schema.TASK_DURATION, ())

    def read(self, ended: dict[Attributes, tuple[int, list[Observed]]]) -> None:
        """Read them all; `ended` is what is not in the cells yet."""
        for series in self._series:
            later, more = ended.pop(series.attributes, (0, []))
            before, after, _ = self._cells.head(series)
            times = [before + after + later]
            if series.attributes in self._parts:
                first_byte, rest, *others = self._cells.head(self._parts[series.attributes])
                times = [times[0] + max(first_byte + rest - sum(others), 0), *others]
            self._add(series.attributes, times, self._cells.observed(series) + more)
        for attributes, (total, observed) in ended.items():
            self._add(attributes, [total], observed)

    def _add(self, attributes: Attributes, times: list[int], observed: list[Observed]) -> None:
        point = make_point(attributes, sum(times), observed)
        if point is None:
            return
        self._points.append(point)
        task = str(dict(attributes)[schema.TASK])
        self._names.add(task)
        for component, nanoseconds in zip((schema.PYTHON, *schema.COMPONENTS), times, strict=False):
            self._sums[component, task] += nanoseconds

    @property
    def components(self) -> list[NumberPoint]:
        """The seconds of each component by task."""
        return [
            NumberPoint(((schema.COMPONENT, component), (schema.TASK, task)), nanoseconds / _SECOND)
            for (component, task), nanoseconds in sorted(self._sums.items())
            if nanoseconds
        ]

    @property
    def durations(self) -> FamilyStream:
        """The durations by task and outcome."""
        return histograms(schema.TASK_DURATION, self._points)

    def active(self, workers: Iterable[Worker], names: Sequence[str]) -> Family:
        """Return how many run now, of each task that is known; `names` are those of the index."""
        counts: dict[str, int] = dict.fromkeys(self._names, 0)
        for worker in workers:
            for row in worker.running:
                if row.is_task:
                    name = names[row.name] if row.name < len(names) else schema.UNKNOWN
                    counts[name] = counts.get(name, 0) + 1
        points = tuple(NumberPoint(((schema.TASK, task),), count) for task, count in sorted(counts.items()))
        return Family(schema.ACTIVE_TASKS, "{task}", "Background tasks that are running now.", "updown", points)
