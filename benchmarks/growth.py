# SPDX-License-Identifier: Apache-2.0
"""Does a request cost more when there are many series, many workers, or when many requests have been counted?"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, NamedTuple

from benchmarks.conversation import Subject
from benchmarks.figures import Figure, estimate, ratios
from benchmarks.peers import OURS
from benchmarks.report import is_quick, progress, publish, table

_ROUNDS = 7 if is_quick() else 61
_TURN = 5000 if is_quick() else 15_000


class Case(NamedTuple):
    series: int
    workers: int
    requests_before: int


CASES = (
    Case(10, 1, 0),
    Case(10, 1, 0),  # the control
    Case(1000, 1, 0),
    Case(5000, 1, 0),
    Case(10, 8, 0),
    Case(10, 64, 0),
    Case(10, 1, 100_000 if is_quick() else 10_000_000),
)


def main() -> None:
    with ExitStack() as stack:
        subjects = []
        for case in CASES:
            progress(f"growth: {case}")
            subject = Subject(OURS.environment, "benchmarks.growing", str(case.series), str(case.workers))
            subjects.append(stack.enter_context(subject))
            subject.ask(do="run", requests=max(case.requests_before, 2000))
        taken: list[list[float]] = [[] for _ in CASES]
        for number in range(_ROUNDS):
            for i in range(len(CASES)) if number % 2 else reversed(range(len(CASES))):
                taken[i].append(subjects[i].ask(do="run", requests=_TURN) * 1e6)
    cases = [
        {**case._asdict(), "us": estimate(times), "ratio": estimate(ratios(times, taken[0]))}
        for case, times in zip(CASES, taken, strict=True)
    ]
    publish("growth", {"rounds": _ROUNDS, "cases": cases}, show)


def show(result: Any) -> str:
    """Return the table of a result."""
    rows = []
    for number, case in enumerate(result["cases"]):
        note = " (A/A control)" if number == 1 else ""
        numbers = [f"{case['series']:,}{note}", str(case["workers"]), f"{case['requests_before']:,}"]
        rows.append([*numbers, Figure(*case["us"]).show(), Figure(*case["ratio"]).show(3)])
    head = ["series", "workers", "requests before", "CPU µs per request, app included", "times the first row"]
    return table(head, rows)


if __name__ == "__main__":
    main()
