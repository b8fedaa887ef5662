# SPDX-License-Identifier: Apache-2.0
"""Beginning and ending spans of the transaction that runs in this context, and which span is the innermost here."""

from __future__ import annotations

from contextvars import ContextVar

from wsgiapm.breakdown import SPARE, Breakdown
from wsgiapm.clock import monotonic_ns
from wsgiapm.native import get_ident
from wsgiapm.span import Leaf, Operation, Span
from wsgiapm.transaction import CURRENT, Transaction

_INNERMOST: ContextVar[Span | None] = ContextVar("wsgiapm.span", default=None)
_innermost, _set_innermost = _INNERMOST.get, _INNERMOST.set

_new = object.__new__

running = CURRENT.get
"""Return the transaction that runs in this context, or None: then there is nothing to record."""

innermost = _INNERMOST.get
"""Return the innermost span that runs in this context, or None."""


def begin(transaction: Transaction, operation: Operation) -> Span | None:
    """Begin a span now; None when it belongs to a call that is being recorded already, or the transaction has ended.

    Who has been given a span has to `end` it, in whatever way the call ends.
    """
    breakdown = transaction.breakdown
    if breakdown is None:
        breakdown = _break_down(transaction)
        if breakdown is None:
            return None
    outer = _innermost()
    if outer is not None:
        if outer.breakdown is not breakdown:  # of a transaction around this one, or before it
            outer = None
        elif outer.operation.hides and outer.operation.component == operation.component:
            return None
    active = breakdown.active
    if active and breakdown.is_in_leaf(operation):
        return None
    # As `Span(...)` and `breakdown.open(span)` do, without the two calls.
    span: Span = _new(Span)
    span.operation = operation
    span.breakdown = breakdown
    span.outer = outer
    span.own = 0
    span.start = now = monotonic_ns()
    if now < breakdown.mark:  # noqa: PLR1730
        now = breakdown.mark
    if active:
        active[-1].own += now - breakdown.mark
    breakdown.mark = now
    active.append(span)
    _set_innermost(span)
    return span


def end(span: Span, error: str | None = None) -> bool:
    """End a span now; `error` is the `error.type` of a call that failed. Returns whether it was a slow one."""
    now = monotonic_ns()
    _set_innermost(span.outer)
    return span.breakdown.close(span, now, error)


def enter(transaction: Transaction, operation: Operation) -> Leaf | None:
    """Begin a leaf now; None when it is a part of another call, or the transaction has ended.

    Who has been given one has to let the transaction's breakdown `leave` it.
    """
    breakdown = transaction.breakdown
    if breakdown is None:
        breakdown = _break_down(transaction)
        if breakdown is None:
            return None
    active = breakdown.active
    if active and _is_part(breakdown, operation):
        return None
    try:
        leaf = SPARE.pop()
    except IndexError:
        leaf = _new(Leaf)
        leaf.own = 0
    leaf.operation = operation
    leaf.thread = get_ident()
    leaf.start = now = monotonic_ns()
    mark = breakdown.mark
    if now > mark:
        if active:
            active[-1].own += now - mark
        breakdown.mark = now
    active.append(leaf)
    return leaf


_made: dict[int, Breakdown] = {}


def _break_down(transaction: Transaction) -> Breakdown | None:
    if transaction.recorder is None or transaction.ignored:
        return None
    # Threads of one transaction may come here at once; all must end up with the same. It is taken out of `_made` only when
    # the transaction has it, so whoever finds nothing there finds it in the transaction.
    made = _made.setdefault(id(transaction), Breakdown(transaction.recorder.operations))
    breakdown = transaction.breakdown
    if breakdown is None:
        breakdown = transaction.breakdown = made
    _made.pop(id(transaction), None)
    return breakdown


def _is_part(breakdown: Breakdown, operation: Operation) -> bool:
    outer = _innermost()
    if outer is not None and outer.breakdown is breakdown:
        around = outer.operation
        if around.hides and around.component == operation.component:
            return True
    return breakdown.is_in_leaf(operation)
