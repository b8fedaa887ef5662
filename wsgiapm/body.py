# SPDX-License-Identifier: Apache-2.0
"""The body of a response as the server is given it: the app's own object wherever that is possible, else one around it.

The transaction is the current one while code of the app runs, and only then: what is iterated by turns, or on another
thread, is never taken for another request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from wsgiapm.clock import monotonic_ns
from wsgiapm.ending import Source, fail, finish, finish_cut_off, finish_stream
from wsgiapm.incoming import HEADER
from wsgiapm.recorder import Recorder
from wsgiapm.request import UPGRADE, Environ, RequestTransaction, stream_kind
from wsgiapm.sending import hand_over, take_back
from wsgiapm.span import Span
from wsgiapm.transaction import CURRENT

_set_current, _reset_current = CURRENT.set, CURRENT.reset
_UNKNOWN_LENGTH = -1
_NO_BYTES = -2
# Servers send these whole (uwsgi), or say what is wrong with them.
_STRINGS = (bytes, str, bytearray, memoryview)
# Eventlet's sentinel can be iterated, but is compared by identity.
_SENTINELS = frozenset({"AlreadyHandled", "_AlreadyHandled"})
_BODYLESS = frozenset({204, 304})


def watch(
    source: Source, recorder: Recorder, transaction: RequestTransaction, environ: Environ, body: Any
) -> Iterable[bytes]:
    """Return what the server is to be given for a body that is no list, so that we learn when it ends."""
    try:
        if _is_file(environ, body):
            _watch_file(source, recorder, transaction, body)
        elif not _ends_now(source, recorder, transaction, environ, body):
            if HEADER in environ:
                transaction.incoming = environ[HEADER]
            if "wsgi.websocket" in environ:
                transaction.note_websocket()
                return WebsocketBody(source, recorder, transaction, body)
            return (SizedBody if hasattr(body, "__len__") else Body)(source, recorder, transaction, body)
    except Exception:  # a gate
        source.failed()
        finish(source, recorder, transaction)
    return body  # type: ignore[no-any-return]


def _ends_now(source: Source, recorder: Recorder, transaction: RequestTransaction, environ: Environ, body: Any) -> bool:
    """End a request whose body is all there, or is none; False when it is to be seen to its end."""
    size = 0
    if getattr(body, "streaming", None) is False and type(body.content) is bytes:  # as Django's HttpResponse
        size = len(body.content)
    elif isinstance(body, _STRINGS):
        size = len(body)
    elif not _is_sentinel(body):
        return False
    transaction.size += size
    if not size and transaction.is_upgrade(environ):
        finish_stream(source, recorder, transaction, UPGRADE)
    finish(source, recorder, transaction)
    return True


def _is_sentinel(body: object) -> bool:
    return not (hasattr(body, "__iter__") or hasattr(body, "__getitem__")) or type(body).__name__ in _SENTINELS


def _is_file(environ: Environ, body: object) -> bool:
    wrapper = environ.get("wsgi.file_wrapper")
    if isinstance(wrapper, type):
        return isinstance(body, wrapper)
    # Uwsgi's is a function that returns its argument, mod_wsgi's one that makes an object of a class we cannot name;
    # the one server compares identity, the other the class.
    return wrapper is not None and (hasattr(body, "read") or hasattr(body, "filelike"))


def _watch_file(source: Source, recorder: Recorder, transaction: RequestTransaction, body: Any) -> None:
    """Let the server send a file as it knows how; learn of the end through the object's own `close`."""
    transaction.size = max(transaction.content_length(), 0)
    transaction.first_byte = monotonic_ns() - transaction.start
    close = getattr(body, "close", None)

    def finish_and_close() -> None:
        nonlocal close
        original, close = close, None  # once; and the file no longer refers to itself
        finish(source, recorder, transaction)
        if original is not None:
            original()

    try:
        body.close = finish_and_close
        hand_over(transaction)
    except (AttributeError, TypeError):  # takes no attributes: what we cannot see we do not time
        finish(source, recorder, transaction)


class Body:
    """The iterable the server is given in place of the app's."""

    __slots__ = ("_body", "_iterator", "_lasts", "_length", "_recorder", "_sending", "_source", "_transaction")

    def __init__(self, source: Source, recorder: Recorder, transaction: RequestTransaction, body: Any) -> None:
        """See the class."""
        self._source = source
        self._recorder = recorder
        self._transaction = transaction
        self._body = body
        self._iterator: Iterator[bytes] | None = None
        self._length = _UNKNOWN_LENGTH
        self._sending: Span | None = None
        self._lasts = False

    def __iter__(self) -> Body:
        if self._iterator is None:
            token = _set_current(self._transaction)
            try:
                self._iterator = iter(self._body)
            except BaseException as error:
                fail(self._source, self._recorder, self._transaction, error)
                raise
            finally:
                _reset_current(token)
        return self

    def __next__(self) -> bytes:
        iterator = self._iterator
        if iterator is None:
            return next(iter(self))
        transaction = self._transaction
        if self._sending is not None:
            self._take_back(self._sending)
        token = _set_current(None if transaction.finished else transaction)
        try:
            chunk = next(iterator)
        except StopIteration:
            self._end(complete=True)
            raise
        except BaseException as error:
            fail(self._source, self._recorder, transaction, error)
            raise
        finally:
            _reset_current(token)
        if type(chunk) is bytes:  # if not, the server will say so
            if not transaction.first_byte and chunk:
                transaction.first_byte = monotonic_ns() - transaction.start
                self._length = transaction.content_length()
                self._lasts = stream_kind(transaction) is not None
            transaction.size = size = transaction.size + len(chunk)
            if size == self._length:  # the last byte there will be: it must be counted before the client has it
                finish(self._source, self._recorder, transaction)
        else:
            self._length = _NO_BYTES
        if not transaction.finished:
            self._hand_over(transaction)
        return chunk

    def _hand_over(self, transaction: RequestTransaction) -> None:
        try:
            if not self._lasts:
                self._sending = hand_over(transaction)
            elif transaction.breakdown is not None:  # what comes now is no part of the request's duration
                transaction.breakdown.freeze(transaction.start, transaction.start + transaction.first_byte)
        except Exception:  # a gate
            self._source.failed()

    def _take_back(self, sending: Span) -> None:
        self._sending = None
        try:
            take_back(sending)
        except Exception:  # a gate
            self._source.failed()

    def close(self) -> None:
        """Close the app's iterable, whatever has become of the request, once."""
        self._end(complete=False)
        body, self._body = self._body, ()
        iterator, self._iterator = self._iterator, None
        close = getattr(body, "close", None)
        try:
            if close is not None:
                close()
        finally:
            del iterator  # not before: a server lets go of it when it has closed the body

    def _end(self, *, complete: bool) -> None:
        transaction = self._transaction
        if transaction.finished:
            return
        kind = stream_kind(transaction) if self._length < 0 else None
        if kind is not None:
            finish_stream(self._source, self._recorder, transaction, kind)
        elif complete or not self._was_being_sent():
            finish(self._source, self._recorder, transaction)
        else:
            finish_cut_off(self._source, self._recorder, transaction)

    def _was_being_sent(self) -> bool:
        """Tell whether a server can only have stopped asking because the client is gone, which shows when one writes."""
        transaction = self._transaction
        if not transaction.first_byte or self._length == _NO_BYTES or transaction.place[3]:
            return False
        status = transaction.status
        return status is None or (status >= 200 and status not in _BODYLESS)


class SizedBody(Body):
    """The same for an iterable that has a length, which servers use."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self._body)


class WebsocketBody(Body):
    """The same for what an app returns to gevent-websocket, which listens to nothing of it."""

    __slots__ = ()

    def _end(self, *, complete: bool) -> None:
        self._transaction.note_websocket()
        super()._end(complete=complete)
