# SPDX-License-Identifier: Apache-2.0
"""The gate in calls of other servers: as in every call, but what one is counted under is told by its answer.

Clients stand upon each other, so most such calls are parts of another one; that is found out first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from wsgiapm.instruments._calls import Describe, Failed, begun, described, ended, innermost, is_coroutine, running
from wsgiapm.request import error_type
from wsgiapm.span import EXTERNAL

if TYPE_CHECKING:
    from wsgiapm.span import Span
    from wsgiapm.transaction import Transaction

Settle = Callable[["Span", Any, Any, "str | None"], "str | None"]
"""Is given the span of a call that is about to end, the instance, what it returned (None if it raised) and the `error.type`.

It may change `span.operation` into what the call is to be counted under, and returns the `error.type`.
"""


def settled(original: Callable[..., Any], describe: Describe, settle: Settle, failed: Failed) -> Callable[..., Any]:
    """Return a method as `traced` does, for calls that are counted by how they are answered."""
    if is_coroutine(original):
        return _settled_coroutine(original, describe, settle, failed)

    @wraps(original)
    def wrapper(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        transaction = running()
        if transaction is None or _is_part(transaction):
            return original(instance, *args, **kwargs)
        operation = described(describe, failed, instance, args, kwargs)
        span = None if operation is None else begun(operation, failed)
        if span is None:
            return original(instance, *args, **kwargs)
        result = error = None
        try:
            result = original(instance, *args, **kwargs)
        except BaseException as raised:
            error = error_type(raised)
            raise
        finally:
            _settle(settle, span, instance, result, error, failed)
        return result

    return wrapper


def _settled_coroutine(
    original: Callable[..., Any], describe: Describe, settle: Settle, failed: Failed
) -> Callable[..., Any]:
    @wraps(original)
    async def wrapper(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        operation = None if running() is None else described(describe, failed, instance, args, kwargs)
        span = None if operation is None else begun(operation, failed)
        if span is None:
            return await original(instance, *args, **kwargs)
        result = error = None
        try:
            result = await original(instance, *args, **kwargs)
        except BaseException as raised:
            error = error_type(raised)
            raise
        finally:
            _settle(settle, span, instance, result, error, failed)
        return result

    return wrapper


def _is_part(transaction: Transaction) -> bool:
    outer = innermost()
    if outer is None or outer.breakdown is not transaction.breakdown:
        return False
    return outer.operation.component == EXTERNAL and outer.operation.hides


def _settle(settle: Settle, span: Span, instance: Any, result: Any, error: str | None, failed: Failed) -> None:
    try:
        error = settle(span, instance, result, error)
    except Exception:  # a gate
        failed()
    ended(span, error, failed)
