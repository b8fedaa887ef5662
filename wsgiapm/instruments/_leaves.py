# SPDX-License-Identifier: Apache-2.0
"""The gate in calls of methods written in C that keep their thread to themselves, which most queries are.

What such a call does is little beside what Python does around it, so that is kept short; otherwise as in `_calls`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import MethodDescriptorType
from typing import Any

from wsgiapm.instruments._calls import Describe, Failed, traced
from wsgiapm.request import error_type
from wsgiapm.tracing import enter, running

_MISSING: Any = object()


def traced_leaf(original: Callable[..., Any], describe: Describe, failed: Failed) -> Callable[..., Any]:
    """Return what `traced` does; where `original` is written in Python it is no leaf, and that is what is returned."""
    if not isinstance(original, MethodDescriptorType):
        return traced(original, describe, failed)

    @wraps(original)
    def wrapper(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        transaction = running()
        if transaction is None:
            return original(instance, *args, **kwargs)
        try:
            operation = describe(instance, args, kwargs)
            leaf = None if operation is None else enter(transaction, operation)
        except Exception:  # a gate
            failed()
            leaf = None
        if leaf is None:
            return original(instance, *args, **kwargs)
        error = None
        try:
            return original(instance, *args, **kwargs)
        except BaseException as raised:
            error = error_type(raised)
            raise
        finally:
            try:
                breakdown: Any = transaction.breakdown
                if breakdown.leave(leaf, error):
                    getattr(describe, "slow", _ignore)(operation, instance, args, kwargs)
            except Exception:  # a gate
                failed()

    return wrapper


def traced_execute(original: Callable[..., Any], describe: Describe, failed: Failed) -> Callable[..., Any]:
    """Return what `traced_leaf` does, for a cursor's `execute`; `describe` is only asked about statements that are new.

    The cursor's connection has its `Place` as `_wsgiapm_place`.
    """
    general = traced_leaf(original, describe, failed)
    if not isinstance(original, MethodDescriptorType):
        return general

    @wraps(original)
    def execute(cursor: Any, statement: Any = _MISSING, parameters: Any = _MISSING, /, *more: Any, **named: Any) -> Any:
        transaction = running()
        leaf = None
        if transaction is not None and not more and not named:
            try:
                operation = cursor.connection._wsgiapm_place.statements[statement]  # noqa: SLF001
                leaf = enter(transaction, operation)
            except Exception:  # a gate: one that is new, or wrong; or what the other gate will tell of
                leaf = None
        if leaf is None:
            return general(cursor, *_given(statement, parameters), *more, **named)
        error = None
        try:
            if parameters is _MISSING:
                return original(cursor, statement)
            return original(cursor, statement, parameters)
        except BaseException as raised:
            error = error_type(raised)
            raise
        finally:
            try:
                breakdown: Any = transaction.breakdown  # type: ignore[union-attr]  # else there were no leaf
                if breakdown.leave(leaf, error):
                    getattr(describe, "slow", _ignore)(operation, cursor, _given(statement, parameters), named)
            except Exception:  # a gate
                failed()

    return execute


def _given(*args: Any) -> tuple[Any, ...]:
    return tuple(each for each in args if each is not _MISSING)


def _ignore(_operation: Any, _instance: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> None:
    """Do nothing about a call that was slow."""
