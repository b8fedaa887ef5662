# SPDX-License-Identifier: Apache-2.0
"""Routes of Bottle."""

from __future__ import annotations

import bottle
import flask
import pytest


def walk(pk):
    """A view."""
    return "x"


def missing(pk):
    """A route that is there, for something that is not."""
    bottle.abort(404)


@pytest.fixture
def app():
    """A Bottle app with others in it."""
    app, inner, other = bottle.Bottle(), bottle.Bottle(), flask.Flask("other")
    app.route("/", callback=lambda: "x")
    app.route("/walks/<pk:int>/", callback=walk)
    app.route("/missing/<pk>", callback=missing)
    app.post("/posted", callback=lambda: "x")
    inner.route("/orders/<pk:re:[0-9]+>", callback=walk)
    app.mount("/shop/", inner)
    other.add_url_rule("/walks/<int:pk>/", "walk", walk)
    app.mount("/other/", other)
    app.mount("/plain/", lambda environ, start_response: (start_response("200 OK", []) and []) or [])
    return app


@pytest.mark.parametrize(
    ("asked", "route"),
    [
        ("/", "/"),
        ("/walks/7/", "/walks/<pk:int>/"),
        ("/shop/orders/7", "/shop/orders/<pk:re:[0-9]+>"),
        ("/other/walks/7/", "/other/walks/<int:pk>/"),
        ("/plain/anything/7", None),
    ],
)
def test_the_route_is_the_rule_that_matched(asked, route, ask, app, failures):
    """With the prefix of whatever is mounted; a mounted app that is no Bottle names its own."""
    status, name = ask(app, asked)
    assert (status[:3], name) == ("200", route)
    assert failures == []


def test_the_route_begins_where_the_app_is_mounted(ask, app):
    """SCRIPT_NAME is part of it."""
    assert ask(app, "/walks/7/", script="/caf\xc3\xa9") == ("200 OK", "/café/walks/<pk:int>/")


@pytest.mark.parametrize(
    ("asked", "status"), [("/wp-login.php", "404 Not Found"), ("/posted", "405 Method Not Allowed")]
)
def test_what_matches_no_rule_gets_no_name(asked, status, ask, app):
    """A 404 becomes `(not found)`, by its status: scanners must not make series."""
    assert ask(app, asked) == (status, None)


def test_a_rule_whose_view_finds_nothing_keeps_its_name(ask, app):
    """It is the view that did not find it."""
    assert ask(app, "/missing/7") == ("404 Not Found", "/missing/<pk>")


def test_the_view_is_known(ask, app):
    """By its dotted name."""
    ask(app, "/walks/7/")
    assert ask.transaction.function_name == f"{__name__}.walk"


def test_a_router_may_be_used_for_something_else(installed, ask, failures):
    """It finds whatever one has put into it."""

    def application(environ, start_response):
        router = bottle.Router()
        router.add("/x/<pk>", "GET", "something")
        assert router.match(environ) == ("something", {"pk": "7"})
        start_response("200 OK", [])
        return []

    assert ask(application, "/x/7") == ("200 OK", None)
    assert failures == []
