# SPDX-License-Identifier: Apache-2.0
"""Instruments that are switched on for one test, and a transaction for them to name."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

import pytest

from wsgiapm import instruments
from wsgiapm.transaction import CURRENT, Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
def ask(installed: None) -> Callable[..., tuple[str, str | None]]:
    """`ask(app, path, script="")` returns the status and the name that the transaction got."""

    def call(app: Any, path: str, script: str = "", **more: Any) -> tuple[str, str | None]:
        environ: dict[str, Any] = {"PATH_INFO": path, "SCRIPT_NAME": script, "HTTP_HOST": "localhost", **more}
        setup_testing_defaults(environ)
        statuses: list[str] = []
        transaction = Transaction()
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
