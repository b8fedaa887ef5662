# SPDX-License-Identifier: Apache-2.0
"""The end of a worker as its server's hooks see it: promised beforehand, announced by a timeout, or made by an exception."""

from __future__ import annotations

from wsgiapm import agent
from wsgiapm.aggregate import layout
from wsgiapm.config import resolve
from wsgiapm.farewell import exit_code, say_farewell


def promise_farewell() -> None:
    """Promise that `end_all` will be called before this process ends; if it is not, the process has been killed."""
    for recorder in agent.recorders():
        recorder.cells[layout.FAREWELL] = layout.PROMISED


def note_timeout() -> None:
    """Note that the server ends this process because a request took too long."""
    for recorder in agent.recorders():
        recorder.cells[layout.TIMED_OUT] = 1


def end_all(error: BaseException | None = None, *, booted: bool = True) -> None:
    """Write the last gauges of this process, which is about to end, and tell how unless that is orderly.

    Args:
        error: the exception that ends it, if one does.
        booted: whether it had come so far as to serve.
    """
    if not booted and isinstance(error, SystemExit) and exit_code(error) and _has_name():
        agent.start_all()  # in order to have where to tell it
    try:
        for recorder in agent.recorders():
            say_farewell(recorder.instance, error, booted=booted)
    finally:
        agent.end_all()


def _has_name() -> bool:
    # An app that failed before it could say its name must not become one of its own.
    return resolve().origins.get("app_name", "default") != "default"
