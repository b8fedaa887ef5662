# SPDX-License-Identifier: Apache-2.0
"""What the agent could not keep, and where it failed, by its own counters."""

from __future__ import annotations

from collections.abc import Iterator

from wsgiapm.aggregate import layout
from wsgiapm.aggregate.instance import Instance
from wsgiapm.aggregate.merge import Totals, take_snapshot
from wsgiapm.aggregate.resource import Resource
from wsgiapm.aggregate.schema import DROPPED, OTHER, REQUEST_DURATION, ROUTE
from wsgiapm.aggregate.snapshot import HistogramPoint
from wsgiapm.doctor.finding import Finding, found


def examine(instance: Instance, totals: Totals) -> Iterator[Finding]:
    """Report what was dropped, and errors of the agent itself."""
    yield from _examine_drops(instance, totals)
    for word, gate in layout.GATES.items():
        errors = sum(worker.header[word] for worker in totals.workers)
        if errors:
            yield found("internal-errors", f"{errors} errors of the agent itself were caught in: {gate}")


def _examine_drops(instance: Instance, totals: Totals) -> Iterator[Finding]:
    for series in instance.index.series:
        position = series.head - layout.FIRST_CELL
        if series.metric != DROPPED or not totals.cells[position]:
            continue
        attributes = dict(series.attributes)
        what, reason, amount = attributes.get("what"), attributes.get("reason"), totals.cells[position]
        if what == "series":
            message = (
                f"{_requests_under_other(instance)} requests are counted under (other): series are dropped, there is no "
                f"room for another ({reason}); {len(instance.index.series)} are known{_examples(instance, reason)}"
            )
            yield found("dropped-series", message)
        elif what == "event":
            yield found("dropped-events", f"{amount} events were not kept ({reason})")
        else:
            examples = _examples(instance, f"{what}: {reason}")
            yield found("dropped-items", f"{amount} x {what} could not be kept ({reason}){examples}")


def _examples(instance: Instance, reason: object) -> str:
    names = [name for why, name in instance.index.examples if why == reason]
    return f"; among the first were {', '.join(names)}" if names else ""


def _requests_under_other(instance: Instance) -> int:
    families = take_snapshot(instance, Resource()).families
    points = (p for f in families if f.name == REQUEST_DURATION for p in f.points if isinstance(p, HistogramPoint))
    return sum(point.count for point in points if dict(point.attributes).get(ROUTE) == OTHER)
