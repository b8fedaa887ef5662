# SPDX-License-Identifier: Apache-2.0
"""GET /api/v1/databases and /api/v1/nosql: what an app does with them, the operation that takes the most time first."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from wsgiapm.report.callers import operation_of, read_callers, share_out
from wsgiapm.report.calls import Calls, Target, is_nosql, show_target, target_of
from wsgiapm.report.question import Question
from wsgiapm.store.model import OPERATION_DURATION, STATEMENT_DURATION


def list_operations(question: Question) -> dict[str, Any]:
    """Return the operations of SQL databases in the window."""
    return _list_operations(question, nosql=False)


def list_nosql(question: Question) -> dict[str, Any]:
    """Return the operations of caches and document stores in the window."""
    return _list_operations(question, nosql=True)


def _list_operations(question: Question, *, nosql: bool) -> dict[str, Any]:
    details = question.details()
    operations: defaultdict[Target, Calls] = defaultdict(Calls)
    for attributes, amount in details.amounts(OPERATION_DURATION):
        if is_nosql(attributes) is nosql:
            operations[target_of(attributes)].add(amount, attributes)
    for attributes, cells in details.cells(OPERATION_DURATION):
        if is_nosql(attributes) is nosql:
            operations[target_of(attributes)].add_cells(cells)
    # An operation of the public metric may be many statements, and a statement may be sent to several servers.
    calls: defaultdict[Target, Counter[str]] = defaultdict(Counter)
    all_calls: Counter[str] = Counter()
    for attributes, amount in details.amounts(STATEMENT_DURATION):
        calls[target_of(attributes)][operation_of(attributes)] += amount.n
        all_calls[operation_of(attributes)] += amount.n
    callers = read_callers(details)
    return {
        "operations": [
            {
                **show_target(target),
                **operations[target].show(),
                "callers": share_out(callers, calls[target].items(), all_calls).show(),
            }
            for target in sorted(operations, key=lambda target: (-operations[target].nanoseconds, str(target)))
        ]
    }
