# SPDX-License-Identifier: Apache-2.0
"""Routes of Flask."""

from __future__ import annotations

import flask
import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware


@pytest.fixture
def app():
    """A Flask app with blueprints."""
    app = flask.Flask("shop", static_folder="/nowhere")
    inner = flask.Blueprint("inner", "inner", url_prefix="/inner")
    outer = flask.Blueprint("outer", "outer", url_prefix="/outer/<lang>")
    files = flask.Blueprint("files", "files", url_prefix="/files", static_folder="/nowhere")

    def view(**_):
        return "x"

    def missing(**_):
        flask.abort(404)

    app.add_url_rule("/", "index", view)
    app.add_url_rule("/walks/<int:pk>/", "walk", view)
    app.add_url_rule("/missing/<int:pk>", "missing", missing)
    app.add_url_rule("/posted", "posted", view, methods=["POST"])
    inner.add_url_rule("/<path:rest>", "rest", view)
    outer.add_url_rule("/", "index", view)
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    app.register_blueprint(files)
    return app


@pytest.mark.parametrize(
    ("asked", "route"),
    [
        ("/", "/"),
        ("/walks/7/", "/walks/<int:pk>/"),
        ("/outer/de/", "/outer/<lang>/"),
        ("/outer/de/inner/a/b", "/outer/<lang>/inner/<path:rest>"),
    ],
)
def test_the_route_is_the_rule_that_matched(asked, route, ask, app, failures):
    """With the prefix of every blueprint."""
    assert ask(app, asked) == ("200 OK", route)
    assert failures == []


def test_the_route_begins_where_the_app_is_mounted(ask, app):
    """SCRIPT_NAME is part of it, whether the server or a dispatcher set it."""
    mounted = DispatcherMiddleware(app, {"/shop": app})

    assert ask(app, "/walks/7/", script="/caf\xc3\xa9") == ("200 OK", "/café/walks/<int:pk>/")
    assert ask(mounted, "/shop/walks/7/") == ("200 OK", "/shop/walks/<int:pk>/")


@pytest.mark.parametrize(
    ("asked", "status"), [("/wp-login.php", "404 NOT FOUND"), ("/posted", "405 METHOD NOT ALLOWED")]
)
def test_what_matches_no_rule_gets_no_name(asked, status, ask, app):
    """A 404 becomes `(not found)`, by its status: scanners must not make series."""
    assert ask(app, asked) == (status, None)


def test_a_rule_whose_view_finds_nothing_keeps_its_name(ask, app):
    """It is the view that did not find it."""
    assert ask(app, "/missing/7") == ("404 NOT FOUND", "/missing/<int:pk>")


@pytest.mark.parametrize("asked", ["/nowhere/a.css", "/files/nowhere/a.css"])
def test_files_are_one_route(asked, ask, app):
    """The app's own and those of blueprints."""
    assert ask(app, asked) == ("404 NOT FOUND", "(static)")
