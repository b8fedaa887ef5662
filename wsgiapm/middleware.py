# SPDX-License-Identifier: Apache-2.0
"""The WSGI middleware: it times a request and hands it to the recorder, and changes nothing else.

Whatever goes wrong in the agent is swallowed here and counted (a gate): the app's answer never depends on us.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from wsgiapm.body import watch
from wsgiapm.clock import monotonic_ns
from wsgiapm.ending import Source, fail, finish, finish_stream, rescue
from wsgiapm.places import METHODS, method_and_scheme
from wsgiapm.queue_time import read_queue_time
from wsgiapm.recorder import Recorder
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
        recorder = (source := self._source).recorder
        if recorder is None or self._special is not None or KEY in environ:
            recorder, answer = self._look_closer(environ, start_response)
            if recorder is None:
                return answer  # type: ignore[no-any-return]
        try:
            transaction: RequestTransaction = RequestTransaction()
            transaction.start = monotonic_ns()
            transaction.server_start_response = start_response
            transaction.given_name = transaction.error = transaction.status = transaction.breakdown = None
            transaction.first_byte = transaction.queue = transaction.size = 0
            transaction.finished = transaction.ignored = False
            try:
                transaction.method = METHODS[environ["wsgi.url_scheme"]][environ["REQUEST_METHOD"]]
                path = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
            except KeyError:
                transaction.method, path = _read_unusual(environ)
            if "HTTP_X_REQUEST_START" in environ or "HTTP_X_QUEUE_START" in environ:
                transaction.queue = read_queue_time(environ)
            recorder.begin(transaction, path)
        except Exception:  # a gate
            source.failed()
            return self._app(environ, start_response)  # type: ignore[no-any-return]
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
        if kind is not list and kind is not tuple:
            return watch(source, recorder, transaction, environ, body)
        size = len(body[0]) if len(body) == 1 and type(body[0]) is bytes else _size(body)
        transaction.size += size
        if transaction.ignored or transaction.breakdown or not size:  # type: ignore[redundant-expr]  # the app's doing
            return _finish_unusual(source, recorder, transaction, environ, body)
        transaction.finished = True
        try:  # what `finish` does, without calling a function
            recorder.finish(transaction, monotonic_ns())
        except Exception:  # a gate
            rescue(source, recorder, transaction)
        finally:
            transaction.recorder = None
        return body  # type: ignore[no-any-return]

    def _look_closer(self, environ: Environ, start_response: Callable[..., Any]) -> tuple[Recorder | None, Any]:
        """Return the recorder of a request that is to be recorded; of another one, None and its answer."""
        if KEY not in environ or environ[KEY].finished:  # else an outer middleware records it already
            if self._special is not None:
                answer = self._special(environ, start_response)
                if answer is not None:
                    return None, answer
            recorder = self._source.recorder or self._source.start()
            if recorder is not None:
                return recorder, None
        return None, self._app(environ, start_response)


def _read_unusual(environ: Environ) -> tuple[int, str]:
    """Return method and path of a request with a method of its own, or without what most servers give."""
    method = method_and_scheme(environ["REQUEST_METHOD"], environ["wsgi.url_scheme"])
    return method, environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")


def _finish_unusual(
    source: Source, recorder: Recorder, transaction: RequestTransaction, environ: Environ, body: Any
) -> Iterable[bytes]:
    """End a request that is ignored, has spans, or no body, and return what the app gave as its body."""
    if not _size(body) and transaction.is_upgrade(environ):
        finish_stream(source, recorder, transaction, UPGRADE)
    finish(source, recorder, transaction)
    return body  # type: ignore[no-any-return]


def _size(body: Iterable[bytes]) -> int:
    try:
        return sum(map(len, body))
    except TypeError:  # not bytes: the server will say so
        return 0
