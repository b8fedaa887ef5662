# SPDX-License-Identifier: Apache-2.0
"""The WSGI middleware: it times a request and hands it to the recorder, and changes nothing else.

Whatever goes wrong in the agent is swallowed here and counted (a gate): the app's answer never depends on us.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from wsgiapm.body import watch
from wsgiapm.clock import monotonic_ns
from wsgiapm.ending import Source, fail, finish, finish_stream
from wsgiapm.queue_time import read_queue_time
from wsgiapm.recorder import Recorder, method_and_scheme
from wsgiapm.request import UPGRADE, Environ, RequestTransaction
from wsgiapm.transaction import CURRENT

KEY = "wsgiapm.transaction"

_set_current, _reset_current = CURRENT.set, CURRENT.reset

WSGIApp = Callable[[Environ, Callable[..., Any]], Any]


class Middleware:
    """Wraps a WSGI app. `special` answers or passes on paths that are not recorded."""

    def __init__(
        self, app: WSGIApp, source: Source, special: Callable[[Environ, Callable[..., Any]], Any] | None = None
    ) -> None:
        """`source` gives the recorder; `special` returns None for requests that are to be recorded."""
        self._app = app
        self.__wrapped__ = app
        self._source = source
        self._special = special

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Call the app at once, as the server asked, and record the request."""
        if KEY in environ and not environ[KEY].finished:  # an outer middleware records it already
            return self._app(environ, start_response)  # type: ignore[no-any-return]
        if self._special is not None:
            answer = self._special(environ, start_response)
            if answer is not None:
                return answer  # type: ignore[no-any-return]
        source = self._source
        recorder = source.recorder or source.start()
        if recorder is None:
            return self._app(environ, start_response)  # type: ignore[no-any-return]
        try:
            transaction = _begin(recorder, environ)
        except Exception:  # a gate
            source.failed()
            return self._app(environ, start_response)  # type: ignore[no-any-return]
        transaction.server_start_response = start_response
        environ[KEY] = transaction
        token = _set_current(transaction)
        try:
            body = self._app(environ, transaction.start_response)
        except BaseException as error:
            fail(source, recorder, transaction, error, environ)
            raise
        finally:
            _reset_current(token)
        kind = type(body)
        if kind is list or kind is tuple:
            size = len(body[0]) if len(body) == 1 and type(body[0]) is bytes else _size(body)
            if size:
                transaction.size += size
            elif transaction.is_upgrade(environ):
                finish_stream(source, recorder, transaction, UPGRADE)
            finish(source, recorder, transaction)
            return body  # type: ignore[no-any-return]
        return watch(source, recorder, transaction, environ, body)


def _begin(recorder: Recorder, environ: Environ) -> RequestTransaction:
    transaction: RequestTransaction = RequestTransaction()
    transaction.start = monotonic_ns()
    transaction.given_name = transaction.made_trace_id = transaction.attributes = transaction.error = None
    transaction.status = transaction.headers = transaction.breakdown = None
    transaction.first_byte = transaction.queue = transaction.size = 0
    transaction.finished = transaction.ignored = False
    transaction.method = method_and_scheme(environ["REQUEST_METHOD"], environ["wsgi.url_scheme"])
    if "HTTP_X_REQUEST_START" in environ or "HTTP_X_QUEUE_START" in environ:
        transaction.queue = read_queue_time(environ)
    script = environ.get("SCRIPT_NAME")
    path = environ.get("PATH_INFO", "")
    recorder.begin(transaction, script + path if script else path)
    return transaction


def _size(body: Iterable[bytes]) -> int:
    try:
        return sum(map(len, body))
    except TypeError:  # not bytes: the server will say so
        return 0
