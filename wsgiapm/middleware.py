# SPDX-License-Identifier: Apache-2.0
"""The WSGI middleware: it times a request and hands it to the recorder, and changes nothing else.

Whatever goes wrong in the agent is swallowed here and counted (a gate): the app's answer never depends on us.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextvars import Token
from typing import Any, Protocol

from wsgiapm.aggregate.layout import TIMED_OUT
from wsgiapm.clock import monotonic_ns
from wsgiapm.queue_time import read_queue_time
from wsgiapm.recorder import Recorder, method_and_scheme
from wsgiapm.request import Environ, RequestTransaction, error_type
from wsgiapm.transaction import CURRENT, Transaction

KEY = "wsgiapm.transaction"

WSGIApp = Callable[[Environ, Callable[..., Any]], Any]
_HEAD = (method_and_scheme("HEAD", "http"), method_and_scheme("HEAD", "https"))
_UNKNOWN_LENGTH = -1


class Source(Protocol):
    """Where the middleware gets the recorder of this process from."""

    recorder: Recorder | None

    def start(self) -> Recorder | None:
        """Return the recorder, starting the agent in this process; None when there is nothing to record with."""

    def failed(self) -> None:
        """Count and report the exception that is being handled."""


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
        token = CURRENT.set(transaction)
        try:
            body = self._app(environ, transaction.start_response)
        except BaseException as error:
            _fail(source, recorder, transaction, error, token)
            raise
        kind = type(body)
        if kind is list or kind is tuple:
            transaction.size += len(body[0]) if len(body) == 1 and type(body[0]) is bytes else _size(body)
            _finish(source, recorder, transaction, token)
            return body  # type: ignore[no-any-return]
        return _watch(source, recorder, transaction, token, environ, body)


def _begin(recorder: Recorder, environ: Environ) -> RequestTransaction:
    transaction: RequestTransaction = RequestTransaction()
    transaction.start = monotonic_ns()
    transaction.given_name = transaction.made_trace_id = transaction.attributes = transaction.error = None
    transaction.status = transaction.headers = transaction.outer = None
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


def _finish(
    source: Source, recorder: Recorder, transaction: RequestTransaction, token: Token[Transaction | None] | None = None
) -> None:
    """Hand a transaction to the recorder, once. `token` is given where the context is still that of the call."""
    if transaction.finished:
        return
    transaction.finished = True
    try:
        try:
            end = monotonic_ns()
            if transaction.method in _HEAD:
                transaction.size = 0
            if transaction.ignored:
                recorder.forget(transaction)
            else:
                recorder.finish(transaction, end)
        finally:
            transaction.renamed = None  # its row is free: a name given now must not be written there
            if token is not None:
                CURRENT.reset(token)
            else:
                _step_out(transaction)
    except Exception:  # a gate
        source.failed()


def _step_out(transaction: RequestTransaction) -> None:
    outer, transaction.outer = transaction.outer, None
    if CURRENT.get() is transaction:
        CURRENT.set(None if outer is None or outer.finished else outer)


def _fail(
    source: Source,
    recorder: Recorder,
    transaction: RequestTransaction,
    error: BaseException,
    token: Token[Transaction | None] | None = None,
) -> None:
    """End a transaction whose app raised `error`."""
    if transaction.finished:
        return
    if isinstance(error, SystemExit) and recorder.cells[TIMED_OUT]:
        # The server ends this worker because of this request: it stays in flight, so that it is found there as aborted.
        transaction.finished = True
        return
    transaction.error = error_type(error)
    _finish(source, recorder, transaction, token)


def _watch(
    source: Source,
    recorder: Recorder,
    transaction: RequestTransaction,
    token: Token[Transaction | None],
    environ: Environ,
    body: Any,
) -> Iterable[bytes]:
    """Return what the server is to be given for a body that is no list, so that we learn when it ends."""
    try:
        if not hasattr(body, "__iter__"):  # a sentinel such as gunicorn's ALREADY_HANDLED: the app spoke to the client
            _finish(source, recorder, transaction, token)
            return body  # type: ignore[no-any-return]
        if getattr(body, "streaming", None) is False and type(body.content) is bytes:  # as Django's HttpResponse
            transaction.size += len(body.content)
            _finish(source, recorder, transaction, token)
            return body  # type: ignore[no-any-return]
        outer = token.old_value
        if type(outer) is RequestTransaction and not outer.finished:
            transaction.outer = outer
        if _is_file(environ, body):
            _watch_file(source, recorder, transaction, body)
            return body  # type: ignore[no-any-return]
        wrapper = SizedBody if hasattr(body, "__len__") else Body
        return wrapper(source, recorder, transaction, body)
    except Exception:  # a gate
        source.failed()
        _finish(source, recorder, transaction, token)
        return body  # type: ignore[no-any-return]


def _is_file(environ: Environ, body: object) -> bool:
    wrapper = environ.get("wsgi.file_wrapper")
    if isinstance(wrapper, type):
        return isinstance(body, wrapper)
    # uwsgi's is a function that returns its argument, and the server compares identity.
    return wrapper is not None and hasattr(body, "read")


def _watch_file(source: Source, recorder: Recorder, transaction: RequestTransaction, body: Any) -> None:
    """Let the server send a file as it knows how; learn of the end through the object's own `close`."""
    transaction.size = max(transaction.content_length(), 0)
    transaction.first_byte = monotonic_ns() - transaction.start
    close = getattr(body, "close", None)

    def finish_and_close() -> None:
        nonlocal close
        original, close = close, None  # once; and the file no longer refers to itself
        _finish(source, recorder, transaction)
        if original is not None:
            original()

    try:
        body.close = finish_and_close
    except (AttributeError, TypeError):  # takes no attributes: what we cannot see we do not time
        _finish(source, recorder, transaction)


class Body:
    """The iterable the server is given in place of the app's."""

    __slots__ = ("_body", "_iterator", "_length", "_recorder", "_source", "_transaction")

    def __init__(self, source: Source, recorder: Recorder, transaction: RequestTransaction, body: Any) -> None:
        """See the class."""
        self._source = source
        self._recorder = recorder
        self._transaction = transaction
        self._body = body
        self._iterator: Iterator[bytes] | None = None
        self._length = _UNKNOWN_LENGTH

    def __iter__(self) -> Body:
        if self._iterator is None:
            try:
                self._iterator = iter(self._body)
            except BaseException as error:
                _fail(self._source, self._recorder, self._transaction, error)
                raise
        return self

    def __next__(self) -> bytes:
        iterator = self._iterator
        if iterator is None:
            return next(iter(self))
        transaction = self._transaction
        try:
            chunk = next(iterator)
        except StopIteration:
            if not transaction.finished:
                _finish(self._source, self._recorder, transaction)
            raise
        except BaseException as error:
            _fail(self._source, self._recorder, transaction, error)
            raise
        if type(chunk) is bytes:  # if not, the server will say so
            if not transaction.first_byte and chunk:
                transaction.first_byte = monotonic_ns() - transaction.start
                self._length = transaction.content_length()
            transaction.size = size = transaction.size + len(chunk)
            if size == self._length:  # the last byte there will be: it must be counted before the client has it
                _finish(self._source, self._recorder, transaction)
        return chunk

    def close(self) -> None:
        """Close the app's iterable, whatever has become of the request, once."""
        if not self._transaction.finished:
            _finish(self._source, self._recorder, self._transaction)
        body, self._body = self._body, ()
        close = getattr(body, "close", None)
        if close is not None:
            close()


class SizedBody(Body):
    """The same for an iterable that has a length, which servers use."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self._body)
