# SPDX-License-Identifier: Apache-2.0
"""GET /api/v1/timeseries: one metric of the report over time; every slot of the window is there, empty or not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from wsgiapm.report.figures import COMPONENTS, REQUESTS, ZONES, Figures, rounded, sorted_counts
from wsgiapm.report.quantiles import quantile
from wsgiapm.report.question import Question, Source, bad_parameter
from wsgiapm.report.summary import apdex_threshold
from wsgiapm.report.workers import chart_cpu, chart_memory
from wsgiapm.store.buckets import upper_bound

_Slots = dict[int, Figures]
_Values = dict[str, float | None]
# Shows a slot: its values, and whether some of it was booked late.
_ShowSlot = Callable[[int], tuple[_Values, bool]]


def list_points(question: Question) -> dict[str, Any]:
    """Return the values of the metric asked for, slot by slot."""
    name = question.parameters.get("metric", "")
    chart = CHARTS.get(name)
    if chart is None:
        raise bad_parameter("metric", f"{name!r} is none of {', '.join(CHARTS)}")
    source = question.source()
    show_slot = chart(source)
    points = []
    for start in source.window.slots:
        values, late = show_slot(start)
        points.append({"t": start, "values": values, "late": late})
    return {"metric": name, "step": source.window.step, "points": points}


def _of_requests(
    read: Callable[[Source, _Slots], None], show: Callable[[Source], Callable[[Figures], _Values]]
) -> Callable[[Source], _ShowSlot]:
    """Make a chart of figures of requests: what it reads, and how it shows them."""

    def chart(source: Source) -> _ShowSlot:
        slots: _Slots = defaultdict(Figures)
        read(source, slots)
        show_figures = show(source)
        return lambda slot: (show_figures(slots[slot]), slots[slot].late > 0)

    return chart


def _read_requests(source: Source, slots: _Slots) -> None:
    for amount in source.amounts(REQUESTS, by_slot=True):
        slots[amount.slot].add_requests(amount, {})


def _read_requests_by_kind(source: Source, slots: _Slots) -> None:
    for amount in source.amounts(REQUESTS, by_slot=True, by_series=True):
        slots[amount.slot].add_requests(amount, source.attributes(REQUESTS, amount.series))


def _read_durations(source: Source, slots: _Slots) -> None:
    _read_requests(source, slots)
    for cell in source.cells(REQUESTS, by_slot=True):
        slots[cell.slot].add_cell(cell.bucket, cell.n, {})


def _read_zones(source: Source, slots: _Slots) -> None:
    _read_requests(source, slots)
    for amount in source.amounts(ZONES, by_slot=True, by_series=True):
        slots[amount.slot].add_zone(amount, source.attributes(ZONES, amount.series))
    if all(slot.zones for slot in slots.values() if slot.requests):
        return
    for cell in source.cells(REQUESTS, by_slot=True, by_series=True):
        slots[cell.slot].add_cell(cell.bucket, cell.n, source.attributes(REQUESTS, cell.series))


def _read_components(source: Source, slots: _Slots) -> None:
    _read_requests(source, slots)
    for amount in source.amounts(COMPONENTS, by_slot=True, by_series=True):
        slots[amount.slot].add_component(amount, source.attributes(COMPONENTS, amount.series))


def _throughput(source: Source) -> Callable[[Figures], _Values]:
    per_minute = 60 / source.window.step
    return lambda slot: {"requests": slot.requests, "rpm": round(slot.requests * per_minute, 6)}


def _duration(_source: Source) -> Callable[[Figures], _Values]:
    return lambda slot: {
        "mean": slot.mean(),
        "p50": rounded(quantile(slot.cells, 0.50)),
        "p95": rounded(quantile(slot.cells, 0.95)),
        "p99": rounded(quantile(slot.cells, 0.99)),
    }


def _errors(_source: Source) -> Callable[[Figures], _Values]:
    return lambda slot: {
        "errors": slot.errors,
        "rate": round(slot.errors / slot.requests, 6) if slot.requests else 0.0,
    }


def _apdex(source: Source) -> Callable[[Figures], _Values]:
    threshold = apdex_threshold(source)
    return lambda slot: {"apdex": slot.apdex(threshold)}


def _status_codes(_source: Source) -> Callable[[Figures], _Values]:
    return lambda slot: dict(sorted_counts(slot.status_codes))


def _heatmap(_source: Source) -> Callable[[Figures], _Values]:
    return lambda slot: {f"{upper_bound(bucket):.6g}": slot.cells[bucket] for bucket in sorted(slot.cells)}


def _breakdown(_source: Source) -> Callable[[Figures], _Values]:
    return lambda slot: dict(slot.breakdown())


CHARTS: dict[str, Callable[[Source], _ShowSlot]] = {
    "throughput": _of_requests(_read_requests, _throughput),
    "duration": _of_requests(_read_durations, _duration),
    "errors": _of_requests(_read_requests_by_kind, _errors),
    "apdex": _of_requests(_read_zones, _apdex),
    "status_codes": _of_requests(_read_requests_by_kind, _status_codes),
    "heatmap": _of_requests(_read_durations, _heatmap),
    "breakdown": _of_requests(_read_components, _breakdown),
    "cpu": chart_cpu,
    "memory": chart_memory,
}
