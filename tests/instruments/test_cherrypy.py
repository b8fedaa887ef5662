# SPDX-License-Identifier: Apache-2.0
"""Routes of CherryPy."""

from __future__ import annotations

import cherrypy
import pytest


class Walks:
    """A part of the tree."""

    @cherrypy.expose
    def index(self):
        return "x"

    @cherrypy.expose
    def steps(self, pk, number="1"):
        return "x"

    @cherrypy.expose
    def missing(self, pk):
        raise cherrypy.NotFound


class Dynamic:
    """An object that takes a segment out of the path itself."""

    def _cp_dispatch(self, vpath):
        vpath.pop(0)
        return Walks()


@cherrypy.expose
class Resource:
    """One for the dispatcher by methods."""

    def GET(self, pk):  # noqa: N802  # by the name of the HTTP method
        return "x"


class Root:
    """The tree."""

    walks = Walks()
    dynamic = Dynamic()

    @cherrypy.expose
    def index(self):
        return "x"


@pytest.fixture
def tree(tmp_path):
    """Two apps, one mounted below the other."""
    tree = cherrypy._cptree.Tree()
    files = {"/files": {"tools.staticdir.on": True, "tools.staticdir.dir": str(tmp_path)}}
    tree.mount(Root(), "", files)
    tree.mount(Root(), "/shop")
    tree.mount(Resource(), "/resource", {"/": {"request.dispatch": cherrypy.dispatch.MethodDispatcher()}})
    cherrypy.config.update({"log.screen": False})
    return tree


@pytest.mark.parametrize(
    ("asked", "route", "name"),
    [
        ("/", "/", "Root.index"),
        ("/walks/", "/walks/", "Walks.index"),
        ("/walks/steps/7", "/walks/steps/*", "Walks.steps"),
        ("/walks/steps/7/3", "/walks/steps/*", "Walks.steps"),
        ("/shop/walks/steps/7", "/shop/walks/steps/*", "Walks.steps"),
        ("/dynamic/8371/steps/7", "/dynamic/*/steps/*", "Walks.steps"),
        ("/resource/7", "/resource/*", "Resource"),
    ],
)
def test_the_route_is_the_path_to_the_handler(asked, route, name, ask, tree, failures):
    """What the handler is given of the path is left out, and so are ids an object takes out of it."""
    assert ask(tree, asked) == ("200 OK", route)
    assert ask.transaction.function_name.removesuffix(".GET") == f"{__name__}.{name}"
    assert failures == []


def test_what_has_no_handler_gets_no_name(ask, tree):
    """It becomes `(not found)`, by its status."""
    assert ask(tree, "/wp-login.php") == ("404 Not Found", None)


def test_a_handler_that_finds_nothing_keeps_its_name(ask, tree):
    """It is the handler that did not find it."""
    assert ask(tree, "/walks/missing/7") == ("404 Not Found", "/walks/missing/*")


def test_files_are_one_route(ask, tree):
    """Whatever they are called."""
    assert ask(tree, "/files/a.css") == ("404 Not Found", "(static)")
