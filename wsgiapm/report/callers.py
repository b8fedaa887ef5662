# SPDX-License-Identifier: Apache-2.0
"""Who called an operation: transactions, with how often, how long, and in how many of them again and again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from wsgiapm.report.details import Details
from wsgiapm.report.figures import rounded
from wsgiapm.report.transactions import NO_ROUTE
from wsgiapm.store.model import CALLER_REPETITIONS, CALLER_TIME, NANOSECONDS, Attributes
from wsgiapm.store.series import OPERATION

# Name and kind of a transaction.
_Name = tuple[str, str]


class Callers:
    """Adds up callers."""

    def __init__(self) -> None:
        self._calls: defaultdict[_Name, float] = defaultdict(float)
        self._nanoseconds: defaultdict[_Name, float] = defaultdict(float)
        self._repetitions: defaultdict[_Name, float] = defaultdict(float)

    def add_time(self, attributes: Attributes, calls: int, nanoseconds: float) -> None:
        """Add calls by one transaction."""
        name = _name(attributes)
        self._calls[name] += calls
        self._nanoseconds[name] += nanoseconds

    def add_repetitions(self, attributes: Attributes, number: float) -> None:
        """Add how many transactions of one name called it again and again."""
        self._repetitions[_name(attributes)] += number

    def add(self, others: Callers, share: float) -> None:
        """Add a share (0 to 1) of others."""
        for name in others._calls.keys() | others._repetitions.keys():
            self._calls[name] += others._calls[name] * share
            self._nanoseconds[name] += others._nanoseconds[name] * share
            self._repetitions[name] += others._repetitions[name] * share

    @property
    def repetitions(self) -> int:
        """In how many transactions it was called again and again."""
        return round(sum(self._repetitions.values()))

    def show(self) -> list[dict[str, Any]]:
        """Return them as the API has them, who took the most time first."""
        names = self._calls.keys() | self._repetitions.keys()
        return [
            {
                "name": name[0],
                "kind": name[1],
                "calls": round(self._calls[name]),
                "seconds": rounded(self._nanoseconds[name] / NANOSECONDS),
                "repetitions": round(self._repetitions[name]),
            }
            for name in sorted(names, key=lambda name: (-self._nanoseconds[name], name))
        ]


def read_callers(details: Details) -> dict[str, Callers]:
    """Return the callers of each operation."""
    by_operation: defaultdict[str, Callers] = defaultdict(Callers)
    for attributes, amount in details.amounts(CALLER_TIME):
        by_operation[operation_of(attributes)].add_time(attributes, amount.n, amount.total)
    for attributes, amount in details.amounts(CALLER_REPETITIONS):
        by_operation[operation_of(attributes)].add_repetitions(attributes, amount.total)
    return by_operation


def share_out(callers: dict[str, Callers], calls: Iterable[tuple[str, float]], all_calls: dict[str, int]) -> Callers:
    """Return who made ``calls`` (operation, how many), which may be a part of all calls of those operations.

    Callers are counted by operation. Where one goes to several places, each gets its share of every caller.
    """
    found = Callers()
    for operation, count in calls:
        if operation in callers and all_calls[operation]:
            found.add(callers[operation], count / all_calls[operation])
    return found


def operation_of(attributes: Attributes) -> str:
    """Return what the series of a statement and those of its callers have in common."""
    return str(attributes.get(OPERATION, ""))


def _name(attributes: Attributes) -> _Name:
    if "task" in attributes:
        return str(attributes["task"]), "background"
    return str(attributes.get("http.route", NO_ROUTE)), "web"
