# SPDX-License-Identifier: Apache-2.0
"""GET /api/v1/summary: an app, or one transaction, in one set of figures."""

from __future__ import annotations

from typing import Any

from wsgiapm.report.figures import (
    ABORTED,
    DEFAULT_THRESHOLD_S,
    REQUESTS,
    THRESHOLD,
    ZONES,
    Figures,
    sorted_counts,
)
from wsgiapm.report.question import Question, Source
from wsgiapm.store.model import NANOSECONDS


def summarize(question: Question) -> dict[str, Any]:
    """Return the figures of the window."""
    source = question.source()
    figures = Figures()
    for amount in source.amounts(REQUESTS, by_series=True):
        figures.add_requests(amount, source.attributes(REQUESTS, amount.series))
    for cell in source.cells(REQUESTS, by_series=True):
        figures.add_cell(cell.bucket, cell.n, source.attributes(REQUESTS, cell.series))
    for amount in source.amounts(ZONES, by_series=True):
        figures.add_zone(amount, source.attributes(ZONES, amount.series))
    figures.aborted = int(sum(amount.total for amount in source.amounts(ABORTED)))
    threshold = apdex_threshold(source)
    return {
        "app": source.apps[0].name,
        "from": round(source.window.start, 3),
        "to": round(source.window.stop, 3),
        **figures.counts(),
        "late": figures.late,
        "throughput_rpm": round(figures.requests / source.window.minutes, 6),
        "apdex": figures.apdex(threshold),
        "apdex_t": threshold,
        "status_codes": sorted_counts(figures.status_codes),
        "duration": figures.durations(),
        "last_seen": max(app.last_seen for app in source.apps),
    }


def apdex_threshold(source: Source) -> float:
    """Return the Apdex threshold T in seconds, as the app says it, else the default."""
    threshold = source.latest(THRESHOLD)
    return threshold / NANOSECONDS if threshold else DEFAULT_THRESHOLD_S
