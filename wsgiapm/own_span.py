# SPDX-License-Identifier: Apache-2.0
"""`span`: a part of a transaction that the app itself gives a name to. It is Python's time, and hides nothing."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache, wraps
from types import TracebackType
from typing import Any, TypeVar

from wsgiapm import tracing
from wsgiapm.request import error_type
from wsgiapm.span import PYTHON, Operation, Span

_Function = TypeVar("_Function", bound=Callable[..., Any])


@lru_cache(maxsize=1024)
def _operation(name: str, kind: str) -> Operation:
    return Operation(name, PYTHON, attributes=(("wsgiapm.span.kind", kind),), hides=False)


class span:  # noqa: N801  # as functions are called, for it is used like one
    """Give a part of a transaction a name: `with span("price the cart"): …`; outside of one it does nothing.

    Also a decorator, of functions and coroutine functions.
    """

    def __init__(self, name: str, kind: str = "internal", **attributes: object) -> None:
        """`kind` is OpenTelemetry's (internal, client, server, producer, consumer); `attributes` are the app's own."""
        self.name = name
        self.kind = kind
        self.attributes = attributes
        self._running: list[Span] = []

    def __enter__(self) -> span:
        """Begin now."""
        transaction = tracing.running()
        begun = None if transaction is None else tracing.begin(transaction, _operation(str(self.name), str(self.kind)))
        if begun is not None:
            self._running.append(begun)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _place: TracebackType | None
    ) -> None:
        """End now."""
        innermost = tracing.innermost()
        for running in reversed(self._running):
            if running is innermost:
                self._running.remove(running)
                tracing.end(running, None if error is None else error_type(error))
                return

    def __call__(self, function: _Function) -> _Function:
        """Return a function each call of which is such a span."""
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def span_coroutine(*args: Any, **kwargs: Any) -> Any:
                with span(self.name, self.kind, **self.attributes):
                    return await function(*args, **kwargs)

            return span_coroutine  # type: ignore[return-value]

        @wraps(function)
        def span_function(*args: Any, **kwargs: Any) -> Any:
            with span(self.name, self.kind, **self.attributes):
                return function(*args, **kwargs)

        return span_function  # type: ignore[return-value]
