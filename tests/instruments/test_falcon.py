# SPDX-License-Identifier: Apache-2.0
"""Routes of Falcon."""

from __future__ import annotations

import falcon
import pytest


class Walk:
    """A resource."""

    def on_get(self, request, response, pk=0):
        """An answer."""

    def on_get_steps(self, request, response, pk):
        """One for another route of the same resource."""
        raise falcon.HTTPNotFound


@pytest.fixture
def app(tmp_path):
    """A Falcon app."""
    app = falcon.App()
    app.add_route("/", Walk())
    app.add_route("/walks/{pk:int}", Walk())
    app.add_route("/walks/{pk:int}/steps", Walk(), suffix="steps")
    app.add_sink(lambda request, response, **_: None, "/sink")
    app.add_static_route("/files", str(tmp_path))
    return app


@pytest.mark.parametrize(
    ("asked", "status", "route", "name"),
    [
        ("/", "200 OK", "/", "Walk.on_get"),
        ("/walks/7", "200 OK", "/walks/{pk:int}", "Walk.on_get"),
        ("/walks/7/steps", "404 Not Found", "/walks/{pk:int}/steps", "Walk.on_get_steps"),
    ],
)
def test_the_route_is_the_template_that_matched(asked, status, route, name, ask, app, failures):
    """Whatever its responder says, who is known, too."""
    assert ask(app, asked) == (status, route)
    assert ask.transaction.function_name == f"{__name__}.{name}"
    assert failures == []


def test_the_route_begins_where_the_app_is_mounted(ask, app):
    """SCRIPT_NAME is part of it."""
    assert ask(app, "/walks/7", script="/shop") == ("200 OK", "/shop/walks/{pk:int}")


@pytest.mark.parametrize(("asked", "status"), [("/wp-login.php", "404 Not Found"), ("/sink/7", "200 OK")])
def test_what_matches_no_template_gets_no_name(asked, status, ask, app):
    """A 404 becomes `(not found)`; what a sink takes is named by its first segments."""
    assert ask(app, asked) == (status, None)


def test_files_are_one_route(ask, app):
    """Whatever they are called."""
    assert ask(app, "/files/a.css") == ("404 Not Found", "(static)")
