# SPDX-License-Identifier: Apache-2.0
"""A plugin for pytest, loaded into the runs of a library's own tests: `pytest -p instrumented`.

It writes into LIBRARY_RESULTS what becomes of each test. With LIBRARY_INSTRUMENTS=on every instrument is installed
before anything of the library is imported, and each test, fixtures included, runs in a transaction. It stands alone:
the library's tests may be called `tests`, too.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
from _pytest import monkeypatch

from wsgiapm import instruments
from wsgiapm.instruments import _calls, _patch
from wsgiapm.transaction import CURRENT, Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

if not hasattr(monkeypatch, "notset"):  # as it was called before pytest 9, for which these tests were written
    monkeypatch.notset = monkeypatch.NOTSET  # type: ignore[attr-defined]

RESULTS = os.environ["LIBRARY_RESULTS"]
ON = os.environ.get("LIBRARY_INSTRUMENTS") == "on"
PLANTED = os.environ.get("LIBRARY_PLANTED") == "on"


class Run:
    """What happened in one run."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.outcomes: dict[str, str] = {}
        self.failures: list[str] = []
        self.routes: set[str] = set()
        self.spans = 0

    def failed(self) -> None:
        """Keep what went wrong in an instrument."""
        self.failures.append(repr(sys.exc_info()[1]))

    def write(self) -> None:
        """Hand everything to whoever started us."""
        with open(RESULTS, "w", encoding="utf-8") as file:
            routes = sorted(self.routes)
            json.dump(
                {"outcomes": self.outcomes, "failures": self.failures, "routes": routes, "spans": self.spans}, file
            )


RUN = Run()


class Counting:
    """Takes the place of a recorder, and of what counts calls there; keeps names only."""

    slow = 1 << 62

    @property
    def operations(self) -> Counting:
        """Who counts calls."""
        return self

    def count(self, *_: Any) -> None:
        """See `Operations`."""

    def notice(self, *_: Any) -> None:
        """See `Operations`."""

    def rename(self, transaction: Transaction) -> None:
        """See `Recording`."""
        RUN.routes.add(str(transaction.name))


def _lose_results(original: Callable[..., Any], *_: Any) -> Callable[..., Any]:
    """Break what a route is told by, as a careless instrument would: the library gets no result in a transaction."""

    def broken(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        return result if CURRENT.get() is None else None

    return broken


def _counting(end: Callable[..., Any]) -> Callable[..., Any]:
    def counted(*args: Any) -> Any:
        RUN.spans += 1
        return end(*args)

    return counted


if ON:
    _calls.end = _counting(_calls.end)
    if PLANTED:
        _patch.named = _lose_results
        _calls.named = _lose_results
    instruments.install((), RUN.failed)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Iterator[None]:
    """Run a test in a transaction."""
    if not ON:
        return (yield)
    transaction = Transaction()
    transaction.start = 0
    transaction.recorder = Counting()  # type: ignore[assignment]
    token = CURRENT.set(transaction)
    try:
        return (yield)
    finally:
        CURRENT.reset(token)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what became of a test: of its call, and of what went before and after where that went wrong."""
    if report.when == "call" or report.outcome != "passed":
        before = RUN.outcomes.get(report.nodeid)
        RUN.outcomes[report.nodeid] = (
            report.outcome if before is None else f"{before}, {report.outcome} at {report.when}"
        )


def pytest_sessionfinish() -> None:
    """The end."""
    RUN.write()
