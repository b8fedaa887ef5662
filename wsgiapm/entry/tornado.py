# SPDX-License-Identifier: Apache-2.0
"""Tornado's own handlers, where no WSGI runs: each request they answer is a transaction.

A handler runs in a task of its own, and so in a context of its own: what others do meanwhile is not taken for its doing.
"""

from __future__ import annotations

import re
from functools import wraps
from types import ModuleType

from wsgiapm.entry.arrivals import Arrival
from wsgiapm.entry.gate import guarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from wsgiapm.request import RequestTransaction

_NAME = "tornado"  # among the disabled instruments
_KEPT = "_wsgiapm"
# Groups that Tornado hands over by position; `(?` begins others.
_UNNAMED = re.compile(r"(?<!\\)\((?!\?)")


_attended: set[str] = set()


def _attend(module: ModuleType) -> None:
    if module.__name__ not in _attended:  # by run-program and by `wsgiapm.start()`
        _attended.add(module.__name__)
        (_attend_web if module.__name__ == "tornado.web" else _attend_routing)(module)


def _attend_routing(module: ModuleType) -> None:
    kind = module.PathMatches
    matching = kind.match

    @wraps(matching)
    def match(self: Any, request: Any) -> Any:
        found = matching(self, request)
        if found is not None:  # the innermost one is asked last
            vars(request)[_KEPT] = self.regex.pattern
        return found

    kind.match = match


def _attend_web(module: ModuleType) -> None:
    kind = module.RequestHandler
    kind._execute = _recorded(kind._execute, module)  # noqa: SLF001
    kind.flush = _measured(kind.flush)
    kind._handle_request_exception = _noted(kind._handle_request_exception, module)  # noqa: SLF001


def _recorded(execute: Callable[..., Any], web: Any) -> Callable[..., Any]:
    @wraps(execute)
    async def _execute(self: Any, *args: Any, **kwargs: Any) -> Any:
        # What it falls back to is a WSGI app, whose requests are recorded where it is called, or has handlers of its own.
        begun = None if isinstance(self, web.FallbackHandler) else guarded(_begin, self, web)
        if begun is None:
            return await execute(self, *args, **kwargs)
        try:
            return await execute(self, *args, **kwargs)
        finally:
            guarded(_end, self, *begun)

    return _execute


def _measured(flushing: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(flushing)
    def flush(self: Any, *args: Any, **kwargs: Any) -> Any:
        transaction = vars(self).get(_KEPT)
        if transaction is not None:
            guarded(_measure, transaction, self._write_buffer)
        return flushing(self, *args, **kwargs)

    return flush


def _noted(handling: Callable[..., Any], web: Any) -> Callable[..., Any]:
    @wraps(handling)
    def _handle_request_exception(self: Any, error: BaseException) -> Any:
        transaction = vars(self).get(_KEPT)
        if transaction is not None and not isinstance(error, (web.Finish, web.HTTPError)):
            guarded(_note, transaction, error)
        return handling(self, error)

    return _handle_request_exception


def _begin(handler: Any, web: Any) -> tuple[Any, ...] | None:
    from wsgiapm import agent  # noqa: PLC0415  # loaded where there is an app to record
    from wsgiapm.clock import monotonic_ns  # noqa: PLC0415
    from wsgiapm.places import method_and_scheme  # noqa: PLC0415
    from wsgiapm.request import RequestTransaction  # noqa: PLC0415
    from wsgiapm.transaction import CURRENT  # noqa: PLC0415

    source, request = agent.any_agent(), handler.request
    settings = source.settings
    if _NAME in settings.disabled_instruments or request.path.startswith(tuple(settings.ignore_paths)):
        return None
    recorder = source.recorder or source.start()
    if recorder is None:
        return None
    transaction: RequestTransaction = RequestTransaction()
    transaction.start = monotonic_ns()
    transaction.error = transaction.status = transaction.breakdown = None
    transaction.first_byte = transaction.queue = transaction.size = 0
    transaction.finished = transaction.ignored = False
    transaction.given_name = _route(handler, web)
    transaction.view = type(handler)
    transaction.method = method_and_scheme(request.method, request.protocol)
    recorder.begin(transaction, request.path)
    vars(handler)[_KEPT] = transaction
    CURRENT.set(transaction)
    return source, recorder, transaction


def _route(handler: Any, web: Any) -> str | None:
    from wsgiapm.instruments._patch import STATIC  # noqa: PLC0415

    if isinstance(handler, web.StaticFileHandler):
        return STATIC
    pattern = vars(handler.request).get(_KEPT)
    return None if pattern is None or isinstance(handler, web.ErrorHandler) else readable_pattern(pattern)


def readable_pattern(pattern: str) -> str:
    """Return the pattern of a path as a route: `/walks/([0-9]+)$` becomes `/walks/*`, named groups become `<name>`."""
    from wsgiapm.instruments.django import readable_route  # noqa: PLC0415

    return readable_route(_UNNAMED.sub("(?P<_>", pattern)).replace("<_>", "*")


def _measure(transaction: RequestTransaction, pieces: list[bytes]) -> None:
    from wsgiapm.clock import monotonic_ns  # noqa: PLC0415

    if not transaction.first_byte:
        transaction.first_byte = monotonic_ns() - transaction.start
    transaction.size += sum(map(len, pieces))


def _note(transaction: RequestTransaction, error: BaseException) -> None:
    from wsgiapm.request import error_type  # noqa: PLC0415

    transaction.error = error_type(error)


def _end(handler: Any, source: Any, recorder: Any, transaction: RequestTransaction) -> None:
    from wsgiapm.ending import finish, finish_stream  # noqa: PLC0415
    from wsgiapm.request import stream_kind  # noqa: PLC0415

    transaction.status = handler.get_status()
    transaction.headers = list(handler._headers.get_all())  # noqa: SLF001
    kind = stream_kind(transaction)
    if kind is not None:
        transaction.first_byte = transaction.first_byte or 1
        finish_stream(source, recorder, transaction, kind)
    else:
        finish(source, recorder, transaction)


ARRIVALS: dict[str, Arrival] = {"tornado.routing": _attend, "tornado.web": _attend}
