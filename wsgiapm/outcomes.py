# SPDX-License-Identifier: Apache-2.0
"""What is counted besides transactions: clients that went away, how long streams lasted, how long tasks had waited.

Rare enough that all of it takes the slow way through the shared index.
"""

from __future__ import annotations

from wsgiapm.aggregate import schema
from wsgiapm.aggregate.durations import Durations
from wsgiapm.aggregate.index import IndexFullError
from wsgiapm.aggregate.instance import Instance
from wsgiapm.aggregate.snapshot import Attributes
from wsgiapm.quota import SeriesCount

_WAITING_AT_MOST = 256


class Outcomes:
    """Counts in the segment of this process; beyond so many routes everything is `(other)`."""

    def __init__(self, instance: Instance, max_series: int) -> None:
        """`max_series` is the number of series of the instance after which a new route becomes `(other)`."""
        self._instance = instance
        self._max_series = max_series
        self.count_series = SeriesCount(instance.index, schema.is_not_detail).count
        self._streams: dict[tuple[str, str], Durations] = {}
        self._waits: dict[str, Durations] = {}
        self._waiting: dict[str, int] = {}

    def count_disconnect(self, route: str) -> None:
        """Count a client that went away before it had the whole response."""
        if route not in self._waiting and len(self._waiting) >= _WAITING_AT_MOST:
            route = schema.OTHER
        self._waiting[route] = self._waiting.get(route, 0) + 1
        self.work_off()

    def record_stream(self, route: str, kind: str, duration: int) -> None:
        """Count a stream that lasted `duration` nanoseconds."""
        durations = self._streams.get((route, kind))
        if durations is None and len(self._streams) >= self._max_series:
            route = schema.OTHER
            durations = self._streams.get((route, kind))
        if durations is None:
            durations = self._make_durations(route, kind)
        durations.record(duration)

    def record_wait(self, task: str, duration: int) -> None:
        """Count that a background task had been waiting in a queue for `duration` nanoseconds."""
        durations = self._waits.get(task)
        if durations is None:
            known = task if len(self._waits) < self._max_series else schema.OTHER
            if self._is_full(schema.TASK_QUEUE_TIME, ((schema.TASK, known),)):
                known = schema.OTHER
            durations = self._waits.get(known)
            if durations is None:
                durations = Durations(self._instance, schema.TASK_QUEUE_TIME, ((schema.TASK, known),))
                self._waits[known] = durations
        durations.record(duration)

    def work_off(self) -> None:
        """Count what had to wait for the index, as far as it is free now."""
        for route in list(self._waiting):
            count = self._waiting.pop(route, 0)  # another thread may do the same
            if count and not self._add(route, count):
                self._waiting[route] = self._waiting.get(route, 0) + count

    def _make_durations(self, route: str, kind: str) -> Durations:
        attributes = _stream(route, kind)
        if self._is_full(schema.STREAM_DURATION, attributes):
            return self._streams.setdefault(
                (schema.OTHER, kind), Durations(self._instance, schema.STREAM_DURATION, _stream(schema.OTHER, kind))
            )
        return self._streams.setdefault((route, kind), Durations(self._instance, schema.STREAM_DURATION, attributes))

    def _add(self, route: str, count: int) -> bool:
        attributes: Attributes = ((schema.ROUTE, route),)
        if self._is_full(schema.CLIENT_DISCONNECTS, attributes):
            attributes = ((schema.ROUTE, schema.OTHER),)
        try:
            series = self._instance.series(schema.CLIENT_DISCONNECTS, attributes)
        except (IndexFullError, OSError):
            return True  # no room: it is left out, as it is no request
        if series is None:
            return False
        self._instance.cells[series.head] += count
        return True

    def _is_full(self, metric: str, attributes: Attributes) -> bool:
        is_known = (metric, attributes) in self._instance.index.by_key
        return not is_known and self.count_series() >= self._max_series


def _stream(route: str, kind: str) -> Attributes:
    return ((schema.ROUTE, route), ("kind", kind))
