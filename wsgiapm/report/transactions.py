# SPDX-License-Identifier: Apache-2.0
"""GET /api/v1/transactions: the transactions of an app, the one that takes the most time first."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from wsgiapm.report.figures import ABORTED, COMPONENTS, REQUESTS, ZONES, Figures, sorted_counts
from wsgiapm.report.question import Question, Source
from wsgiapm.report.summary import apdex_threshold

_ROUTE, _TASK = "http.route", "task"
# Other senders than ours leave the route out when there was none.
NO_ROUTE = "(not found)"


def list_transactions(question: Question) -> dict[str, Any]:
    """Return the figures of each transaction within the window."""
    source = question.source()
    by_name = _collect(source)
    seconds = sum(figures.seconds for figures in by_name.values())
    threshold = apdex_threshold(source)
    entries = [
        {
            "name": name,
            "kind": "web",
            **figures.counts(),
            "wall_clock_share": round(figures.seconds / seconds, 6) if seconds else 0.0,
            "apdex": figures.apdex(threshold),
            "throughput_rpm": round(figures.requests / source.window.minutes, 6),
            "status_codes": sorted_counts(figures.status_codes),
            "methods": sorted_counts(figures.methods),
            "duration": figures.durations(),
            "breakdown": figures.breakdown(),
        }
        for name, figures in sorted(by_name.items(), key=lambda item: (-item[1].seconds, item[0]))
    ]
    return {"transactions": entries}


def _collect(source: Source) -> dict[str, Figures]:
    by_name: dict[str, Figures] = defaultdict(Figures)
    for amount in source.amounts(REQUESTS, by_series=True, each=True):
        attributes = source.attributes(REQUESTS, amount.series)
        by_name[_name(attributes)].add_requests(amount, attributes)
    for cell in source.cells(REQUESTS, by_series=True, each=True):
        attributes = source.attributes(REQUESTS, cell.series)
        by_name[_name(attributes)].add_cell(cell.bucket, cell.n, attributes)
    for amount in source.amounts(ABORTED, by_series=True, each=True):
        by_name[_name(source.attributes(ABORTED, amount.series))].aborted += int(amount.total)
    for amount in source.amounts(ZONES, by_series=True, each=True):
        attributes = source.attributes(ZONES, amount.series)
        by_name[_name(attributes)].add_zone(amount, attributes)
    for amount in source.amounts(COMPONENTS, by_series=True, each=True):
        attributes = source.attributes(COMPONENTS, amount.series)
        if _TASK not in attributes:
            by_name[_name(attributes)].add_component(amount, attributes)
    return by_name


def _name(attributes: dict[str, str | int]) -> str:
    return str(attributes.get(_ROUTE, NO_ROUTE))
