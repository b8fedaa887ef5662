# SPDX-License-Identifier: Apache-2.0
"""Wrapping an app in somebody else's hands: once, and not where the app has seen to it."""

from __future__ import annotations

import pytest

from wsgiapm import enclosing
from wsgiapm.agent import APMMiddleware
from wsgiapm.enclosing import enclose


def app(environ, start_response):
    """Answer nothing; it is not called."""


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """A process in which nobody has made a middleware."""
    monkeypatch.setattr(APMMiddleware, "made", False)
    monkeypatch.setattr(enclosing, "_given", {})
    monkeypatch.setenv("WSGIAPM_ENDPOINT", "")


def test_an_app_is_wrapped_once():
    """Whoever has it next gets the same."""
    wrapped = enclose(app)
    assert wrapped is not app
    assert enclose(wrapped) is wrapped


@pytest.mark.parametrize("settings", [{}, {"enabled": False}])
def test_an_app_that_has_made_a_middleware(settings):
    """It is left to it, one that wants none too."""
    APMMiddleware(app, **settings)
    assert enclose(app) is app


def test_what_is_wrapped_by_us_does_not_count_as_the_apps_own():
    """A server with two apps gets both wrapped."""
    enclose(app)
    assert enclose(lambda environ, start_response: []) is not app
    assert not APMMiddleware.made


def test_it_may_be_switched_off(monkeypatch):
    """By the environment, without a change to the command."""
    monkeypatch.setenv("WSGIAPM_ENABLED", "no")
    assert enclose(app) is app


def test_what_only_looks_like_an_app():
    """An app of Tornado's own is handed on as it is."""
    native = type("Application", (), {"__module__": "tornado.web", "__call__": app})()
    assert enclose(native) is native
