# SPDX-License-Identifier: Apache-2.0
"""Instruments that are switched on for one test, and a transaction for them to name."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock
from wsgiref.util import setup_testing_defaults

import pytest

from tests.instruments.recording import Recording
from wsgiapm import instruments
from wsgiapm.breakdown import Breakdown
from wsgiapm.transaction import CURRENT, Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wsgiapm.span import Span


@pytest.fixture
def failures() -> list[BaseException | None]:
    """What went wrong in an instrument."""
    return []


@pytest.fixture
def installed(failures: list[BaseException | None]) -> Iterator[None]:
    """All instruments are on during the test."""
    instruments.uninstall()
    instruments.install((), lambda: failures.append(sys.exc_info()[1]))
    yield
    instruments.uninstall()


@pytest.fixture
def recording(installed: None, failures: list[BaseException | None]) -> Iterator[Recording]:
    """What a transaction records that runs during the test; nothing may go wrong in an instrument."""
    recording = Recording()
    with recording.transaction():
        yield recording
    assert failures == []


@pytest.fixture
def ask(installed: None) -> Callable[..., tuple[str, str | None]]:
    """`ask(app, path, script="")` returns the status and the name that the transaction got; `ask.transaction` is that."""

    def call(app: Any, path: str, script: str = "", **more: Any) -> tuple[str, str | None]:
        environ: dict[str, Any] = {
            "PATH_INFO": path,
            "SCRIPT_NAME": script,
            "HTTP_HOST": "localhost",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            **more,
        }
        setup_testing_defaults(environ)
        statuses: list[str] = []
        transaction = Transaction()
        call.transaction = transaction
        token = CURRENT.set(transaction)
        try:
            body = app(environ, lambda status, headers, exc_info=None: statuses.append(status))
            b"".join(body)
            if hasattr(body, "close"):
                body.close()
        finally:
            CURRENT.reset(token)
        return statuses[0], transaction.name

    return call


@pytest.fixture
def spans(installed: None) -> Iterator[list[tuple[str, str | None]]]:
    """A transaction runs during the test; in the order of their ends, the name of each span and of the one around it."""
    ended: list[tuple[str, str | None]] = []

    def close(self: Breakdown, span: Span, now: int, error: str | None = None) -> Any:
        ended.append((span.operation.name, span.outer.operation.name if span.outer is not None else None))
        return original(self, span, now, error)

    original = Breakdown.close
    Breakdown.close = close  # type: ignore[method-assign]
    transaction = Transaction()
    transaction.start = 0
    transaction.recorder = SimpleNamespace(operations=MagicMock(), rename=lambda _: None)
    token = CURRENT.set(transaction)
    yield ended
    CURRENT.reset(token)
    Breakdown.close = original  # type: ignore[method-assign]
