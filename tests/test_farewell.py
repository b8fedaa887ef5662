# SPDX-License-Identifier: Apache-2.0
"""What a worker says of its own end."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tests.aggregate.counting import SHOP, begin_patiently, started
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.instance import Instance, alone
from wsgiapm.farewell import exit_code, say_farewell
from wsgiapm.recorder import Recorder
from wsgiapm.request import note_ended_request


@pytest.fixture
def instance() -> Instance:
    """A process that counts on its own, and has promised to say so when it ends."""
    instance = begin_patiently(alone(SHOP, 2**20))
    instance.cells[layout.FAREWELL] = layout.PROMISED
    return instance


def raised(error: SystemExit, module: str = "shop.views") -> SystemExit:
    """The exception as raised by code of a module."""
    place: dict[str, Any] = {"__name__": module, "error": error}
    try:
        exec(compile("def leave():\n    raise error\nleave()", "/srv/shop/views.py", "exec"), place)
    except SystemExit as raised:
        return raised
    raise AssertionError


def test_an_orderly_end_is_noted_in_silence(instance: Instance, capfd: Any) -> None:
    """No exception, or an exit with status 0 that the server made, even in the middle of a request."""
    recorder = Recorder(instance, max_series=10, error_status=())
    for error in (None, SystemExit(0), SystemExit(None)):
        instance.cells[layout.FAREWELL] = layout.PROMISED
        say_farewell(instance, error)
        assert instance.cells[layout.FAREWELL] == layout.TAKEN
    error = raised(SystemExit(0), "gunicorn.workers.base")
    note_ended_request(error, started(recorder))
    instance.cells[layout.FAREWELL] = layout.PROMISED
    say_farewell(instance, error)

    assert capfd.readouterr().err == ""


def test_an_exit_out_of_a_request_is_told_with_its_line(instance: Instance, capfd: Any) -> None:
    """Also with status 0: the app had no business to end the worker. Others in flight are named; it is told once."""
    recorder = Recorder(instance, max_series=10, error_status=())
    error = raised(SystemExit(0))
    transaction = started(recorder, "/import", method="POST")
    recorder.finish(transaction, transaction.start + 1)
    note_ended_request(error, transaction)
    started(recorder, "/other")
    say_farewell(instance, error)
    say_farewell(instance, error)

    (line,) = capfd.readouterr().err.splitlines()
    assert "died (exit, exit code 0, SystemExit) while serving POST /import (" in line
    assert "GET /other (" in line
    assert "/srv/shop/views.py:2 in leave" in line
    assert instance.cells[layout.FAREWELL] == layout.TOLD


def test_what_the_server_gave_up_for_is_told_by_its_heir(instance: Instance, capfd: Any) -> None:
    """After a timeout the request is still in its row: whoever settles it has more to tell."""
    instance.cells[layout.TIMED_OUT] = 1
    say_farewell(instance, SystemExit(1))

    assert capfd.readouterr().err == ""


def test_a_server_that_fails_names_what_it_failed_of(instance: Instance, capfd: Any) -> None:
    """Gunicorn exits because of another exception: that one is named, without its text, and the line it came from."""
    error = raised(SystemExit(-1), "gunicorn.arbiter")
    try:
        exec(compile("raise ValueError('secret')", "/srv/shop/wsgi.py", "exec"))
    except ValueError as cause:
        error.__context__ = cause
    say_farewell(instance, error, booted=False)

    (line,) = capfd.readouterr().err.splitlines()
    assert (
        "died (boot, exit code 255, ValueError) before it served anything, at /srv/shop/wsgi.py:1 in <module>" in line
    )
    assert "secret" not in line


@pytest.mark.parametrize(("code", "status"), [(None, 0), (0, 0), (3, 3), (-1, 255), ("no such file", 1)])
def test_exit_codes(code: Any, status: int) -> None:
    """As the interpreter makes them."""
    with pytest.raises(SystemExit) as caught:
        sys.exit(code)
    assert exit_code(caught.value) == status
