# SPDX-License-Identifier: Apache-2.0
"""The gate in each call of a library: what stands in the place of a function that is recorded.

Without a transaction that costs one look at the context. What the library returns and raises passes unchanged; what
goes wrong in us is caught here. What stands in the place of a coroutine function is one, and so with generators.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any

from wsgiapm.request import error_type
from wsgiapm.span import Operation
from wsgiapm.tracing import begin, end, innermost, running

if TYPE_CHECKING:
    from wsgiapm.span import Span
    from wsgiapm.transaction import Transaction

__all__ = [
    "Act",
    "Describe",
    "Failed",
    "Name",
    "begun",
    "described",
    "ended",
    "innermost",
    "is_coroutine",
    "named",
    "preceded",
    "running",
    "spanning",
    "traced",
]

Failed = Callable[[], None]
"""Is called while an exception of ours is being handled."""

Describe = Callable[[Any, tuple[Any, ...], dict[str, Any]], "Operation | None"]
Route = tuple["str | None", object]
"""A route, and the view that answers (a function, a class, a method); None for what is not known."""

Name = Callable[[Any, tuple[Any, ...], dict[str, Any], Any], "Route | None"]

Act = Callable[["Transaction", Any, tuple[Any, ...], dict[str, Any]], None]
"""Does something before a call that is made in a transaction."""

_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200


def traced(  # noqa: C901  # in one piece: calls cost
    original: Callable[..., Any], describe: Describe, failed: Failed
) -> Callable[..., Any]:
    """Return a method that does what `original` does, with a span around each call made in a transaction.

    Where `describe` has an attribute `slow`, that is called with the operation, the instance and the arguments of a call that
    was slow. The time of a generator is what it takes from one value to the next; however many there are, it is one call.
    """
    flags = getattr(getattr(original, "__code__", None), "co_flags", 0)
    if flags & _COROUTINE:
        return _traced_coroutine(original, describe, failed)
    if flags & _GENERATOR:
        return _traced_generator(original, describe, failed)
    if flags & _ASYNC_GENERATOR:
        return original

    @wraps(original)
    def wrapper(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        transaction = running()
        if transaction is None:
            return original(instance, *args, **kwargs)
        try:
            operation = describe(instance, args, kwargs)
            span = None if operation is None else begin(transaction, operation)
        except Exception:  # a gate
            failed()
            span = None
        if span is None:
            return original(instance, *args, **kwargs)
        error = None
        try:
            return original(instance, *args, **kwargs)
        except BaseException as raised:
            error = error_type(raised)
            raise
        finally:
            try:
                if end(span, error):
                    getattr(describe, "slow", _ignore)(span.operation, instance, args, kwargs)
            except Exception:  # a gate
                failed()

    return wrapper


def _ignore(_operation: Operation, _instance: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> None:
    """Do nothing about a call that was slow."""


def _traced_coroutine(original: Callable[..., Any], describe: Describe, failed: Failed) -> Callable[..., Any]:
    @wraps(original)
    async def wrapper(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        operation = None if running() is None else described(describe, failed, instance, args, kwargs)
        span = None if operation is None else begun(operation, failed)
        if span is None:
            return await original(instance, *args, **kwargs)
        error = None
        try:
            return await original(instance, *args, **kwargs)
        except BaseException as raised:
            error = error_type(raised)
            raise
        finally:
            ended(span, error, failed)

    return wrapper


def _traced_generator(original: Callable[..., Any], describe: Describe, failed: Failed) -> Callable[..., Any]:
    @wraps(original)
    def wrapper(instance: Any, /, *args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        operation = None if running() is None else described(describe, failed, instance, args, kwargs)
        if operation is None:
            return (yield from original(instance, *args, **kwargs))
        rest = _rest_of(operation)
        generator = original(instance, *args, **kwargs)
        resume, value = generator.send, None
        while True:
            try:
                item = _step(resume, value, operation, failed)
            except StopIteration as ending:
                return ending.value
            operation = rest
            try:
                resume, value = generator.send, (yield item)
            except GeneratorExit:
                generator.close()
                raise
            except BaseException as thrown:  # it is the generator that is to have it
                resume, value = generator.throw, thrown

    return wrapper


def _step(resume: Callable[[Any], Any], value: Any, operation: Operation, failed: Failed) -> Any:
    span = None if running() is None else begun(operation, failed)
    if span is None:
        return resume(value)
    error = None
    try:
        return resume(value)
    except StopIteration:
        raise
    except BaseException as raised:
        error = error_type(raised)
        raise
    finally:
        ended(span, error, failed)


def spanning(generator: Iterable[Any], operation: Operation, failed: Failed) -> Iterator[Any]:
    """Iterate in one span, from the first value to the end: for what is taken from a generator in one go."""
    span = begun(operation, failed)
    try:
        yield from generator
    finally:
        if span is not None:
            ended(span, None, failed)


@lru_cache(maxsize=1024)
def _rest_of(operation: Operation) -> Operation:
    """Return what a call is from its second step on, which is not counted as another one."""
    return Operation(operation.name, operation.component, hides=operation.hides)


def is_coroutine(original: Callable[..., Any]) -> bool:
    """Tell whether a function is a coroutine function."""
    return bool(getattr(getattr(original, "__code__", None), "co_flags", 0) & _COROUTINE)


def described(describe: Describe, failed: Failed, instance: Any, args: Any, kwargs: Any) -> Operation | None:
    """Return what a call is; None when it is not to be recorded, or that went wrong."""
    try:
        return describe(instance, args, kwargs)
    except Exception:  # a gate
        failed()
        return None


def begun(operation: Operation, failed: Failed) -> Span | None:
    """Return a span that begins now; None when there is none to be."""
    try:
        transaction = running()
        return None if transaction is None else begin(transaction, operation)
    except Exception:  # a gate
        failed()
        return None


def ended(span: Span, error: str | None, failed: Failed) -> None:
    """End a span."""
    try:
        end(span, error)
    except Exception:  # a gate
        failed()


def preceded(original: Callable[..., Any], act: Act, failed: Failed) -> Callable[..., Any]:
    """Return a method that does what `original` does, and calls `act` before each call in a transaction."""

    def prepare(instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        transaction = running()
        if transaction is not None:
            try:
                act(transaction, instance, args, kwargs)
            except Exception:  # a gate
                failed()

    @wraps(original)
    def wrapper(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        prepare(instance, args, kwargs)
        return original(instance, *args, **kwargs)

    @wraps(original)
    async def coroutine(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        prepare(instance, args, kwargs)
        return await original(instance, *args, **kwargs)

    return coroutine if is_coroutine(original) else wrapper


def named(original: Callable[..., Any], name: Name, failed: Failed) -> Callable[..., Any]:
    """Return a method that does what `original` does, and asks `name` for the route after each call in a transaction.

    Who named a transaction first was right: the app itself, or the framework around another one.
    """

    @wraps(original)
    def wrapper(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        result = original(instance, *args, **kwargs)
        transaction = running()
        if transaction is not None:
            try:
                if transaction.given_name is None:
                    route = name(instance, args, kwargs, result)
                    if route is not None:
                        text, transaction.view = route
                        if text is not None:
                            transaction.name = text
                elif getattr(transaction, "view", None) is None:
                    route = name(instance, args, kwargs, result)
                    if route is not None:
                        transaction.view = route[1]
            except Exception:  # a gate
                failed()
        return result

    return wrapper
