# SPDX-License-Identifier: Apache-2.0
"""A request as a transaction: what the app says of its response, and which exceptions are errors of the app."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from wsgiapm.clock import monotonic_ns
from wsgiapm.disconnects import tells_of_disconnect
from wsgiapm.incoming import find
from wsgiapm.sending import hand_over, take_back
from wsgiapm.transaction import Transaction

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]

_statuses: dict[str, int | None] = {}
_STATUSES_AT_MOST = 500
_LONGEST_STATUS = 100
# A class may be made at run time and called anything; its name is kept in memory that all workers share.
_LONGEST_ERROR = 200
_DIGITS = 3
_ENDED = "wsgiapm_transaction"
# How servers end a request from outside. By name, where the library may not be there.
_ENDINGS = (SystemExit, KeyboardInterrupt, GeneratorExit)
_NAMED_ENDINGS = {"CancelledError", "GreenletExit"}

UPGRADE = "upgrade"
_STREAMS = {"text/event-stream": "event-stream", "multipart/x-mixed-replace": "mixed-replace"}


class RequestTransaction(Transaction):
    """A request: besides being a transaction it stands between the app and the server's start_response and write."""

    __slots__ = ("_write_failed", "finished", "headers", "server_start_response", "server_write")

    server_start_response: Callable[..., Any]
    server_write: Callable[[bytes], object]
    finished: bool
    headers: Headers | None  # not there as long as the app has not called start_response
    _write_failed: bool  # not there as long as nothing did

    # The middleware stores what a request begins with, which saves a call for each one.
    __init__ = object.__init__

    def start_response(
        self, status: str, headers: Headers, exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], object]:
        """Pass the call on as it came (PEP 3333) and note what the server took; its last such call counts."""
        if exc_info is None:
            self.server_write = self.server_start_response(status, headers)
        else:
            self.server_write = self.server_start_response(status, headers, exc_info)
        try:
            self.status = _statuses[status]
        except (KeyError, TypeError):
            self.status = parse_status(status)
        self.headers = headers
        return self.write

    def write(self, data: bytes) -> object:
        """Count what the app writes past its iterable, and pass it on."""
        if not self.first_byte and data:
            self.first_byte = monotonic_ns() - self.start
        if type(data) is bytes:  # if not, the server will say so
            self.size += len(data)
        sending = hand_over(self)
        try:
            return self.server_write(data)
        except Exception as error:
            self._write_failed = tells_of_disconnect(error)
            raise
        finally:
            if sending is not None:
                take_back(sending)

    def _find_incoming(self) -> object:
        try:
            return self.incoming
        except AttributeError:
            return None if self.finished else find(self)

    @property
    def gone(self) -> bool:
        """Whether the server said that the client is gone, when the app wrote to it."""
        return getattr(self, "_write_failed", False)

    def is_upgrade(self, environ: Environ) -> bool:
        """Tell whether the app has talked to the client in another protocol, so that what it returns is no answer."""
        if "wsgi.websocket" in environ:
            self.note_websocket()
        return self.status == 101 or (self.status is None and "HTTP_UPGRADE" in environ)

    def note_websocket(self) -> None:
        """Take the server's word (gevent-websocket's) that the client has got 101, and nothing the app answers."""
        self.status, self.headers, self.first_byte = 101, None, 1

    def content_length(self) -> int:
        """Return the bytes of the body as the headers promise them; -1 when they do not, or spell it strangely."""
        try:
            for name, value in self.headers or ():
                if name == "Content-Length" or name == "content-length":  # noqa: PLR1714  # half the time of `in`
                    return int(value)
        except (AttributeError, TypeError, ValueError):  # the server will say so
            pass
        return -1


def stream_kind(transaction: RequestTransaction) -> str | None:
    """Return what kind of stream a response is by its status and headers, None when it is an answer that ends."""
    if transaction.status == 101:
        return UPGRADE
    try:
        for name, value in transaction.headers or ():
            if name.lower() == "content-type":
                return _STREAMS.get(value.partition(";")[0].strip().lower())
    except (AttributeError, TypeError, ValueError):  # the server will say so
        pass
    return None


def parse_status(status: object) -> int | None:
    """Return the code a status line begins with, None when it begins with none."""
    if isinstance(status, (bytes, str)):
        text = status if isinstance(status, str) else status.decode("latin-1")
    else:
        text = str(int(status)) if isinstance(status, int) else ""
    digits, rest = text[:_DIGITS], text[_DIGITS : _DIGITS + 1]
    looks_well = len(digits) == _DIGITS and digits.isascii() and digits.isdigit() and not rest.isdigit()
    code = int(digits) if looks_well and digits[0] != "0" else None
    if len(_statuses) < _STATUSES_AT_MOST and type(status) is str and len(status) <= _LONGEST_STATUS:
        _statuses[status] = code
    return code


def note_ended_request(error: SystemExit, transaction: Transaction) -> None:
    """Write down in an exception that is to end the process which request it came out of."""
    vars(error)[_ENDED] = transaction


def ended_request(error: BaseException) -> Transaction | None:
    """Return the request an exception came out of, if `note_ended_request` was told."""
    found = vars(error).get(_ENDED)
    return found if isinstance(found, Transaction) else None


def raised_in(error: BaseException) -> tuple[str, str]:
    """Return the module and the function an exception was raised in, empty when it was raised nowhere yet."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    if place is None:
        return "", ""
    return str(place.tb_frame.f_globals.get("__name__", "")), place.tb_frame.f_code.co_name


def error_type(error: BaseException) -> str | None:
    """Return the full name of an exception's class; None when it is no error but the end of a worker or a client."""
    kind = type(error)
    if isinstance(error, _ENDINGS) or not _NAMED_ENDINGS.isdisjoint(base.__name__ for base in kind.__mro__):
        return None
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return name if len(name) <= _LONGEST_ERROR else name[: _LONGEST_ERROR - 1] + "…"
