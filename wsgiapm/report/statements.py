# SPDX-License-Identifier: Apache-2.0
"""GET /api/v1/sql: the SQL statements of an app, the one that takes the most time first."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from wsgiapm.report.callers import Callers, operation_of, read_callers, share_out
from wsgiapm.report.calls import Calls, Target, is_nosql, show_target, target_of
from wsgiapm.report.question import LARGEST_LIMIT, Question
from wsgiapm.store.model import NANOSECONDS, STATEMENT_DURATION, Attributes, Note
from wsgiapm.store.series import TEXT

_SITE, _PLAN = "wsgiapm.sql.site", "wsgiapm.sql.plan"
# Without a text, what a connection does for itself cannot be told from a statement but by its name.
_NO_STATEMENTS = ("CONNECT", "COMMIT", "ROLLBACK")


class _Identity(NamedTuple):
    """What is one statement: one shape, in one kind of database."""

    operation: str
    system: str


class _Statement:
    """What is known of a statement."""

    def __init__(self) -> None:
        self.calls = Calls()
        self.targets: Counter[Target] = Counter()
        self.digest = ""


def list_statements(question: Question) -> dict[str, Any]:
    """Return the statements of the window."""
    limit = question.limit(LARGEST_LIMIT)
    details = question.details()
    statements: defaultdict[_Identity, _Statement] = defaultdict(_Statement)
    all_calls: Counter[str] = Counter()
    for attributes, amount in details.amounts(STATEMENT_DURATION):
        if _is_statement(attributes):
            statement = statements[_identity(attributes)]
            statement.calls.add(amount, attributes)
            statement.targets[target_of(attributes)] += amount.n
            statement.digest = str(attributes.get(TEXT, statement.digest))
        all_calls[operation_of(attributes)] += amount.n
    for attributes, cells in details.cells(STATEMENT_DURATION):
        if _is_statement(attributes):
            statements[_identity(attributes)].calls.add_cells(cells)
    texts, notes, callers = details.texts(), details.notes(), read_callers(details)
    ranked = sorted(statements.items(), key=lambda item: (-item[1].calls.nanoseconds, item[0]))
    entries = []
    for identity, statement in ranked[:limit]:
        calls = ((identity.operation, statement.calls.count),)
        found = share_out(callers, calls, all_calls)
        entries.append(_show(identity, statement, texts, found, notes.get(identity.operation, ())))
    return {"statements": entries, "count": len(ranked), "seconds": _seconds(statements.values())}


def _show(
    identity: _Identity, statement: _Statement, texts: dict[str, str], callers: Callers, notes: Iterable[Note]
) -> dict[str, Any]:
    ((target, _),) = statement.targets.most_common(1)
    shown = show_target(target)
    named = " ".join(str(shown[key]) for key in ("operation", "collection") if shown[key])
    sites = [_site(note) for note in notes if note.name.startswith(_SITE)]
    plans = [_text(json.loads(note.attributes).get("plan")) for note in notes if note.name.startswith(_PLAN)]
    return {
        "sql": texts.get(statement.digest, named or identity.operation),
        "fingerprint": identity.operation,
        **shown,
        **statement.calls.show(),
        "transactions": callers.show(),
        "n_plus_one": callers.repetitions > 0,
        "repetitions": callers.repetitions,
        "site": sites[0] if sites else None,
        "sites": sites,
        "plan": plans[0] if plans else None,
    }


def _site(note: Note) -> dict[str, Any]:
    attributes = json.loads(note.attributes)
    return {
        "file": _text(attributes.get("code.file.path")),
        "line": _whole(attributes.get("code.line.number")),
        "function": _text(attributes.get("code.function.name")),
        "reason": _text(attributes.get("reason")),
        "transaction": _text(attributes.get("http.route", attributes.get("task"))),
        "t": round(note.time_ns / NANOSECONDS, 6),
        "calls": _whole(attributes.get("calls")),
        "seconds": _number(attributes.get("seconds")),
    }


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: Any) -> float | None:
    """Return a number that may have been sent as text: attributes of some senders' events are integers and texts only."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _is_statement(attributes: Attributes) -> bool:
    target = show_target(target_of(attributes))
    return TEXT in attributes or (not is_nosql(attributes) and target["operation"] not in _NO_STATEMENTS)


def _identity(attributes: Attributes) -> _Identity:
    return _Identity(operation_of(attributes), str(show_target(target_of(attributes))["system"] or ""))


def _seconds(statements: Iterable[_Statement]) -> float:
    return round(sum(statement.calls.nanoseconds for statement in statements) / NANOSECONDS, 9)
