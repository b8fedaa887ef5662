# SPDX-License-Identifier: Apache-2.0
"""The WSGI middleware: it times a request and hands it to the recorder, and changes nothing else.

Whatever goes wrong in the agent is swallowed here and counted (a gate): the app's answer never depends on us.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Protocol

from wsgiapm.clock import monotonic_ns
from wsgiapm.queue_time import read_queue_time
from wsgiapm.recorder import Recorder, method_and_scheme
from wsgiapm.transaction import CURRENT, Transaction

KEY = "wsgiapm.transaction"

ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
Environ = dict[str, Any]
WSGIApp = Callable[[Environ, Callable[..., Any]], Any]
Headers = list[tuple[str, str]]

_statuses: dict[str, int | None] = {}
_STATUSES_AT_MOST = 500
_DIGITS = 3


class Source(Protocol):
    """Where the middleware gets the recorder of this process from."""

    recorder: Recorder | None

    def start(self) -> Recorder | None:
        """Return the recorder, starting the agent in this process; None when there is nothing to record with."""

    def failed(self) -> None:
        """Count and report the exception that is being handled."""


def _parse_status(status: object) -> int | None:
    text = str(status)[:_DIGITS]
    code = int(text) if len(text) == _DIGITS and text.isascii() and text.isdigit() else None
    if len(_statuses) < _STATUSES_AT_MOST and type(status) is str:
        _statuses[status] = code
    return code


class RequestTransaction(Transaction):
    """A request: besides being a transaction it stands between the app and the server's start_response."""

    __slots__ = ("finished", "headers", "server_start_response")

    server_start_response: Callable[..., Any]
    finished: bool
    headers: Headers | None

    def start_response(
        self, status: str, headers: Headers, exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], object]:
        """Note the status and pass the call on as it came (PEP 3333); the last call before the body counts."""
        try:
            self.status = _statuses[status]
        except (KeyError, TypeError):
            self.status = _parse_status(status)
        self.headers = headers
        if exc_info is None:
            write = self.server_start_response(status, headers)
        else:
            write = self.server_start_response(status, headers, exc_info)
        return write  # type: ignore[no-any-return]


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
        if KEY in environ:
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
        CURRENT.set(transaction)
        try:
            body = self._app(environ, transaction.start_response)
        except BaseException as error:
            _note_error(transaction, error)
            _finish(source, recorder, transaction)
            raise
        kind = type(body)
        if kind is list or kind is tuple:
            transaction.size = _size(body)
            _finish(source, recorder, transaction)
            return body  # type: ignore[no-any-return]
        return _watch(source, recorder, transaction, environ, body)


def _begin(recorder: Recorder, environ: Environ) -> RequestTransaction:
    transaction = RequestTransaction()
    transaction.start = monotonic_ns()
    transaction.finished = False
    transaction.headers = None
    transaction.method = method_and_scheme(environ["REQUEST_METHOD"], environ["wsgi.url_scheme"])
    if "HTTP_X_REQUEST_START" in environ or "HTTP_X_QUEUE_START" in environ:
        transaction.queue = read_queue_time(environ)
    script = environ.get("SCRIPT_NAME")
    path = environ.get("PATH_INFO", "")
    recorder.begin(transaction, script + path if script else path)
    return transaction


def _size(body: list[bytes] | tuple[bytes, ...]) -> int:
    try:
        return len(body[0]) if len(body) == 1 else sum(map(len, body))
    except TypeError:  # not bytes: the server will say so
        return 0


def _note_error(transaction: Transaction, error: BaseException) -> None:
    # SystemExit, GreenletExit and KeyboardInterrupt are how servers end a request; they are no errors of the app.
    if isinstance(error, Exception):
        kind = type(error)
        module = kind.__module__
        transaction.error = kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def _finish(source: Source, recorder: Recorder, transaction: RequestTransaction) -> None:
    """Hand a transaction to the recorder, once."""
    if transaction.finished:
        return
    transaction.finished = True
    try:
        end = monotonic_ns()
        if not transaction.first_byte:
            transaction.first_byte = end - transaction.start
        if CURRENT.get() is transaction:
            CURRENT.set(None)
        if transaction.ignored:
            recorder.forget(transaction)
        else:
            recorder.finish(transaction, end)
    except Exception:  # a gate
        source.failed()


def _watch(
    source: Source, recorder: Recorder, transaction: RequestTransaction, environ: Environ, body: Any
) -> Iterable[bytes]:
    """Return what the server is to be given for a body that is no list, so that we learn when it ends."""
    try:
        if not hasattr(body, "__iter__"):  # a sentinel such as gunicorn's ALREADY_HANDLED: the app spoke to the client
            _finish(source, recorder, transaction)
            return body  # type: ignore[no-any-return]
        if _is_file(environ, body):
            _watch_file(source, recorder, transaction, body)
            return body  # type: ignore[no-any-return]
        wrapper = SizedBody if hasattr(body, "__len__") else Body
        return wrapper(source, recorder, transaction, body)
    except Exception:  # a gate
        source.failed()
        return body  # type: ignore[no-any-return]


def _is_file(environ: Environ, body: object) -> bool:
    wrapper = environ.get("wsgi.file_wrapper")
    if isinstance(wrapper, type):
        return isinstance(body, wrapper)
    # uwsgi's is a function that returns its argument, and the server compares identity.
    return wrapper is not None and hasattr(body, "read")


def _content_length(headers: Headers | None) -> int:
    for name, value in headers or ():
        if name.lower() == "content-length" and value.isdigit():
            return int(value)
    return 0


def _watch_file(source: Source, recorder: Recorder, transaction: RequestTransaction, body: Any) -> None:
    """Let the server send a file as it knows how; learn of the end through the object's own `close`."""
    transaction.size = _content_length(transaction.headers)
    transaction.first_byte = monotonic_ns() - transaction.start
    close = getattr(body, "close", None)

    def finish_and_close() -> None:
        _finish(source, recorder, transaction)
        if close is not None:
            close()

    try:
        body.close = finish_and_close
    except (AttributeError, TypeError):  # takes no attributes: what we cannot see we do not time
        _finish(source, recorder, transaction)


class Body:
    """The iterable the server is given in place of the app's."""

    __slots__ = ("_body", "_iterator", "_recorder", "_source", "_transaction")

    def __init__(self, source: Source, recorder: Recorder, transaction: RequestTransaction, body: Any) -> None:
        """See the class."""
        self._source = source
        self._recorder = recorder
        self._transaction = transaction
        self._body = body
        self._iterator: Iterator[bytes] | None = None

    def __iter__(self) -> Body:
        if self._iterator is None:
            try:
                self._iterator = iter(self._body)
            except BaseException as error:
                self._fail(error)
                raise
        return self

    def __next__(self) -> bytes:
        iterator = self._iterator
        if iterator is None:
            iterator = self._iterator = iter(self._body)
        try:
            chunk = next(iterator)
        except StopIteration:
            _finish(self._source, self._recorder, self._transaction)
            raise
        except BaseException as error:
            self._fail(error)
            raise
        transaction = self._transaction
        if not transaction.first_byte and chunk:
            transaction.first_byte = monotonic_ns() - transaction.start
        if type(chunk) is bytes:  # if not, the server will say so
            transaction.size += len(chunk)
        return chunk

    def _fail(self, error: BaseException) -> None:
        if not self._transaction.finished:
            _note_error(self._transaction, error)
            _finish(self._source, self._recorder, self._transaction)

    def close(self) -> None:
        """Close the app's iterable, whatever has become of the request."""
        _finish(self._source, self._recorder, self._transaction)
        close = getattr(self._body, "close", None)
        if close is not None:
            close()


class SizedBody(Body):
    """The same for an iterable that has a length, which servers use."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self._body)
