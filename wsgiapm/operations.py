# SPDX-License-Identifier: Apache-2.0
"""What is counted of the calls a transaction makes: each call by its operation, and by route where its time went.

Many calls come in one request, so each costs one lookup and two stores; names are settled when an operation is first
seen.
"""

from __future__ import annotations

from wsgiapm.aggregate import schema
from wsgiapm.aggregate.durations import Durations
from wsgiapm.aggregate.instance import Instance
from wsgiapm.breakdown import Breakdown
from wsgiapm.span import COMPONENTS, PYTHON, Operation


class Operations:
    """Counts in the segment of this process."""

    def __init__(self, instance: Instance) -> None:
        """Nothing is entered into the index before the first call."""
        self._instance = instance
        self._durations: dict[tuple[Operation, str | None], Durations] = {}

    def count(self, operation: Operation, error: str | None, duration: int) -> None:
        """Count one call that took `duration` nanoseconds; `error` is the `error.type` of one that failed."""
        durations = self._durations.get((operation, error))
        if durations is None:
            attributes = operation.attributes
            if error is not None:
                attributes = tuple(sorted((*attributes, (schema.ERROR, error))))
            durations = self._durations[operation, error] = Durations(self._instance, operation.metric, attributes)
        durations.record(duration)

    def finish(self, breakdown: Breakdown, route: str, start: int, end: int) -> None:
        """Count where the time of a transaction went that ran from `start` to `end`."""
        for component, nanoseconds in enumerate(breakdown.components(start, end)):
            if component != PYTHON and nanoseconds:  # Python's is what remains of the route's whole time
                self._add(route, COMPONENTS[component], nanoseconds)

    def _add(self, route: str, component: str, nanoseconds: int) -> None:
        attributes = (("component", component), (schema.ROUTE, route))
        series = self._instance.series(schema.COMPONENT_TIME, attributes)
        if series is not None:
            self._instance.cells[series.head] += nanoseconds
