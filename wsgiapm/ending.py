# SPDX-License-Identifier: Apache-2.0
"""The end of a request: handed to the recorder once, as what it was.

Most requests just end. Some end by an exception, some because the client went away, and some were no short answers but
streams, whose length says nothing about how fast the app is. Part of the middleware's gate: what goes wrong in the
agent is swallowed here and counted.
"""

from __future__ import annotations

from typing import Protocol

from wsgiapm.aggregate.layout import TIMED_OUT
from wsgiapm.aggregate.schema import NOT_FOUND
from wsgiapm.clock import monotonic_ns
from wsgiapm.disconnects import was_raised_by_server
from wsgiapm.recorder import Recorder
from wsgiapm.request import UPGRADE, Environ, RequestTransaction, error_type, note_ended_request, raised_in, stream_kind

# Where gunicorn ends a worker that took too long; its hook tells of that, but not everybody has installed it.
_GIVEN_UP = ("gunicorn.workers.base", "handle_abort")


class Source(Protocol):
    """Where the middleware gets the recorder of this process from."""

    recorder: Recorder | None

    def start(self) -> Recorder | None:
        """Return the recorder, starting the agent in this process; None when there is nothing to record with."""

    def failed(self) -> None:
        """Count and report the exception that is being handled."""


def finish(source: Source, recorder: Recorder, transaction: RequestTransaction) -> None:
    """Hand a transaction to the recorder, once."""
    if transaction.finished:
        return
    transaction.finished = True
    try:
        try:
            if transaction.ignored:
                recorder.forget(transaction)
            else:
                recorder.finish(transaction, monotonic_ns())
        finally:
            transaction.recorder = None  # its row is free: a name given now must not be written there
    except Exception:  # a gate
        rescue(source, recorder, transaction)
    if transaction.breakdown is not None:
        _count_calls(source, recorder, transaction)


def _count_calls(source: Source, recorder: Recorder, transaction: RequestTransaction) -> None:
    """Count what it called: after the request itself, which must be counted in any case."""
    breakdown = transaction.breakdown
    try:
        if breakdown is not None and not transaction.ignored:
            recorder.operations.finish(breakdown, _route(transaction))
    except Exception:  # a gate
        source.failed()


def rescue(source: Source, recorder: Recorder, transaction: RequestTransaction) -> None:
    """See that a request which the recorder could not take, just now, is counted all the same, and keeps no row."""
    source.failed()
    try:
        if not transaction.ignored:
            recorder.rescue(transaction, monotonic_ns())
    except Exception:  # a gate
        source.failed()


def finish_stream(source: Source, recorder: Recorder, transaction: RequestTransaction, kind: str) -> None:
    """End a stream: its request took until the response began; how long it lasted is counted apart."""
    if transaction.finished or transaction.ignored:
        finish(source, recorder, transaction)
        return
    transaction.finished = True
    try:
        try:
            end = monotonic_ns()
            recorder.finish(transaction, transaction.start + transaction.first_byte)
            recorder.outcomes.record_stream(_route(transaction), kind, end - transaction.start)
        finally:
            transaction.recorder = None
    except Exception:  # a gate
        rescue(source, recorder, transaction)
    if transaction.breakdown is not None:
        _count_calls(source, recorder, transaction)


def finish_cut_off(source: Source, recorder: Recorder, transaction: RequestTransaction) -> None:
    """End a request whose client went away before it had everything: no error, counted like all others, and as that."""
    if transaction.finished:
        return
    finish(source, recorder, transaction)
    try:
        if not transaction.ignored:
            recorder.outcomes.count_disconnect(_route(transaction))
    except Exception:  # a gate
        source.failed()


def fail(
    source: Source,
    recorder: Recorder,
    transaction: RequestTransaction,
    error: BaseException,
    environ: Environ | None = None,
) -> None:
    """End a transaction whose app raised `error`; `environ` is given when that was in the call."""
    if transaction.finished:
        return
    try:
        _fail(source, recorder, transaction, error, environ)
    except Exception:  # a gate: what goes on to the server must be the app's own error
        source.failed()
        finish(source, recorder, transaction)


def _fail(
    source: Source,
    recorder: Recorder,
    transaction: RequestTransaction,
    error: BaseException,
    environ: Environ | None,
) -> None:
    if isinstance(error, SystemExit):
        if recorder.cells[TIMED_OUT] or raised_in(error) == _GIVEN_UP:
            # The server ends this worker because of this request: it stays in flight, so that it is found there as aborted.
            recorder.cells[TIMED_OUT] = 1
            transaction.finished = True
            return
        note_ended_request(error, transaction)
    kind = stream_kind(transaction)
    gone = transaction.gone or was_raised_by_server(error)
    over = False
    if environ is not None and "HTTP_UPGRADE" in environ and transaction.is_upgrade(environ):
        # So an app that has spoken to the client itself tells gunicorn that it is done.
        over = isinstance(error, StopIteration)
        if over or environ["HTTP_UPGRADE"].lower() == "websocket":
            kind = UPGRADE
    if not over and not gone:
        transaction.error = error_type(error)
    if kind is not None:
        finish_stream(source, recorder, transaction, kind)
    elif gone:
        finish_cut_off(source, recorder, transaction)
    else:
        finish(source, recorder, transaction)


def _route(transaction: RequestTransaction) -> str:
    if transaction.given_name is not None:
        return transaction.given_name
    return NOT_FOUND if transaction.status == 404 else transaction.fallback
