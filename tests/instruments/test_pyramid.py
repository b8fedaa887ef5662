# SPDX-License-Identifier: Apache-2.0
"""Routes of Pyramid."""

from __future__ import annotations

import warnings

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of pkg_resources, which older versions use
    from pyramid.config import Configurator
    from pyramid.httpexceptions import HTTPNotFound
    from pyramid.response import Response


def view(request):
    """An answer."""
    return Response("x")


def missing(request):
    """A route that is there, for something that is not."""
    raise HTTPNotFound


class Walks:
    """A class whose methods are views."""

    def __init__(self, request):
        self.request = request

    def show(self):
        return Response("x")


@pytest.fixture
def app():
    """A Pyramid app with an included part."""
    with Configurator() as config:
        config.add_route("index", "/")
        config.add_route("walk", "/walks/{pk:[0-9]+}/")
        config.add_route("missing", "missing/{pk}")
        config.add_view(view, route_name="index")
        config.add_view(Walks, attr="show", route_name="walk")
        config.add_view(missing, route_name="missing")
        config.add_view(view, name="traversed")
        config.add_route("several", "/several")
        config.add_view(missing, route_name="several", request_param="missing")
        config.add_view(view, route_name="several")
        config.add_static_view("files", "/nowhere")

        def orders(inner):
            inner.add_route("order", "/{pk}")
            inner.add_view(view, route_name="order")

        config.include(orders, route_prefix="/shop/orders")
        return config.make_wsgi_app()


@pytest.mark.parametrize(
    ("asked", "route", "name"),
    [
        ("/", "/", "view"),
        ("/walks/7/", "/walks/{pk:[0-9]+}/", "Walks"),
        ("/shop/orders/7", "/shop/orders/{pk}", "view"),
        ("/traversed", None, "view"),
    ],
)
def test_the_route_is_the_pattern_that_matched(asked, route, name, ask, app, failures):
    """With the prefix of what is included; what traversal finds has a view and no route."""
    assert ask(app, asked) == ("200 OK", route)
    assert ask.transaction.function_name == f"{__name__}.{name}"
    assert failures == []


def test_of_several_views_for_a_route_none_is_told(ask, app):
    """Predicates choose among them later."""
    assert ask(app, "/several") == ("200 OK", "/several")
    assert ask.transaction.function_name is None


def test_the_route_begins_where_the_app_is_mounted(ask, app):
    """SCRIPT_NAME is part of it."""
    assert ask(app, "/walks/7/", script="/caf\xc3\xa9") == ("200 OK", "/café/walks/{pk:[0-9]+}/")


def test_what_matches_no_route_gets_no_name(ask, app):
    """It becomes `(not found)`, by its status."""
    assert ask(app, "/wp-login.php") == ("404 Not Found", None)


def test_a_route_whose_view_finds_nothing_keeps_its_name(ask, app):
    """It is the view that did not find it."""
    assert ask(app, "/missing/7") == ("404 Not Found", "/missing/{pk}")
    assert ask.transaction.function_name == f"{__name__}.missing"


def test_files_are_one_route(ask, app):
    """Whatever they are called."""
    assert ask(app, "/files/a/b.css") == ("404 Not Found", "(static)")
