# SPDX-License-Identifier: Apache-2.0
"""GET /api/v1/background: the background tasks of an app, the one that takes the most time first."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from wsgiapm.report.figures import COMPONENTS, Figures, durations, rounded
from wsgiapm.report.question import Question, Source
from wsgiapm.store.model import NANOSECONDS

RUNS = "wsgiapm.background_task.duration"
WAITS = "wsgiapm.background_task.queue.time"
ABORTED = "wsgiapm.aborted_tasks"
_FAILURE, _RETRY = "failure", "retry"


class _Task:
    """Adds up the runs of one task, and how long they had waited."""

    def __init__(self) -> None:
        self.figures = Figures()
        self.outcomes: Counter[str] = Counter()
        self.waited = 0
        self.wait_seconds = 0.0
        self.wait_cells: Counter[int] = Counter()

    def show(self) -> dict[str, Any]:
        figures = self.figures
        mean = rounded(self.wait_seconds / self.waited) if self.waited else None
        return {
            "runs": figures.requests,
            "failures": self.outcomes[_FAILURE],
            "retries": self.outcomes[_RETRY],
            "aborted": figures.aborted,
            "seconds": rounded(figures.seconds),
            "duration": figures.durations(),
            "queue_wait": durations(self.wait_cells, mean),
            "breakdown": figures.breakdown(),
        }


def list_tasks(question: Question) -> dict[str, Any]:
    """Return the tasks of the window."""
    tasks = _collect(question.source())
    by_time = sorted(tasks.items(), key=lambda item: (-item[1].figures.seconds, item[0]))
    return {"tasks": [{"name": name, **task.show()} for name, task in by_time]}


def _collect(source: Source) -> dict[str, _Task]:
    tasks: defaultdict[str, _Task] = defaultdict(_Task)
    for amount in source.amounts(RUNS, by_series=True, each=True):
        attributes = source.attributes(RUNS, amount.series)
        task = tasks[str(attributes.get("task", ""))]
        task.figures.add_requests(amount, attributes)
        task.outcomes[str(attributes.get("outcome", ""))] += amount.n
    for cell in source.cells(RUNS, by_series=True, each=True):
        attributes = source.attributes(RUNS, cell.series)
        tasks[str(attributes.get("task", ""))].figures.add_cell(cell.bucket, cell.n, attributes)
    for amount in source.amounts(ABORTED, by_series=True, each=True):
        name = str(source.attributes(ABORTED, amount.series).get("task", ""))
        tasks[name].figures.aborted += int(amount.total)
    for amount in source.amounts(WAITS, by_series=True, each=True):
        task = tasks[str(source.attributes(WAITS, amount.series).get("task", ""))]
        task.waited += amount.n
        task.wait_seconds += amount.total / NANOSECONDS
    for cell in source.cells(WAITS, by_series=True, each=True):
        tasks[str(source.attributes(WAITS, cell.series).get("task", ""))].wait_cells[cell.bucket] += cell.n
    for amount in source.amounts(COMPONENTS, by_series=True, each=True):
        attributes = source.attributes(COMPONENTS, amount.series)
        if str(attributes.get("task", "")) in tasks:
            tasks[str(attributes["task"])].figures.add_component(amount, attributes)
    return dict(tasks)
