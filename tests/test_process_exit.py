# SPDX-License-Identifier: Apache-2.0
"""When a process tells that it ends."""

from __future__ import annotations

import atexit
import sys
from types import SimpleNamespace

import pytest

from wsgiapm.process_exit import call_at_exit


@pytest.fixture
def registered(monkeypatch):
    """What was given to atexit."""
    functions = []
    monkeypatch.setattr(atexit, "register", functions.append)
    monkeypatch.delitem(sys.modules, "mod_wsgi", raising=False)
    return functions


def test_python_tells_of_its_end(registered):
    """In every process but mod_wsgi's."""
    call_at_exit(print)

    assert registered == [print]


def test_mod_wsgi_tells_of_its_end_before_it_takes_the_threads(registered, monkeypatch):
    """In an interpreter of an app's own, atexit comes too late; the event comes with arguments."""
    subscribed, calls = [], []
    server = SimpleNamespace(subscribe_shutdown=subscribed.append, application_group="shop")
    monkeypatch.setitem(sys.modules, "mod_wsgi", server)
    call_at_exit(lambda: calls.append(1))
    subscribed[0]("process_stopping", shutdown_reason="shutdown_signal")

    assert calls == [1]
    assert registered == []


@pytest.mark.parametrize(("group", "expected"), [("", 1), ("shop", 0)])
def test_an_older_mod_wsgi_tells_of_its_end_in_the_main_interpreter(group, expected, registered, monkeypatch):
    """In another one nothing is done at all: its threads are gone."""
    monkeypatch.setitem(sys.modules, "mod_wsgi", SimpleNamespace(application_group=group))
    call_at_exit(print)

    assert len(registered) == expected
