# SPDX-License-Identifier: Apache-2.0
"""Routes of Django."""

from __future__ import annotations

import types

import django
import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import Http404, HttpResponse
from django.test import override_settings
from django.urls import include, path, re_path
from django.views.static import serve

from wsgiapm.instruments.django import readable_route


def view(request, **_):
    """An answer."""
    return HttpResponse(b"x")


def missing(request, **_):
    """A route that is there, for something that is not."""
    raise Http404


def module(name, *patterns):
    """An URLconf."""
    made = types.ModuleType(name)
    vars(made)["urlpatterns"] = list(patterns)
    return made


ORDERS = module(
    "orders", path("", view), path("<int:pk>/lines/<slug:line>", view), re_path(r"^(?P<year>[0-9]{4})/$", view)
)
URLS = module(
    "urls",
    path("", view),
    path("walks/<int:pk>/", view),
    path("missing/<int:pk>/", missing),
    path("orders/", include(ORDERS)),
    path("shops/<slug:shop>/orders/", include((ORDERS, "orders"), namespace="shop")),
    re_path(r"^old/(?P<pk>[0-9]+)/$", view),
    re_path(r"^older/", include(ORDERS)),
    re_path(r"^files/(?P<path>.*)$", serve, {"document_root": "/nowhere"}),
    path("own/", view),
)


@pytest.fixture(scope="module")
def app():
    """A Django app."""
    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["localhost"], SECRET_KEY="for tests", DEBUG=False)
        django.setup()
    with override_settings(ROOT_URLCONF=URLS):
        yield WSGIHandler()


@pytest.mark.parametrize(
    ("asked", "route"),
    [
        ("/", "/"),
        ("/walks/7/", "/walks/<int:pk>/"),
        ("/orders/", "/orders/"),
        ("/orders/7/lines/a-b", "/orders/<int:pk>/lines/<slug:line>"),
        ("/orders/2026/", "/orders/<year>/"),
        ("/shops/mine/orders/7/lines/a", "/shops/<slug:shop>/orders/<int:pk>/lines/<slug:line>"),
        ("/old/7/", "/old/<pk>/"),
        ("/older/7/lines/x", "/older/<int:pk>/lines/<slug:line>"),
    ],
)
def test_the_route_is_the_template_that_matched(asked, route, ask, app, failures):
    """With the prefix of every include."""
    assert ask(app, asked) == ("200 OK", route)
    assert failures == []


def test_the_route_begins_where_the_app_is_mounted(ask, app):
    """SCRIPT_NAME is part of it, once."""
    assert ask(app, "/walks/7/", script="/shop") == ("200 OK", "/shop/walks/<int:pk>/")
    assert ask(app, "/walks/7/", script="/caf\xc3\xa9/") == ("200 OK", "/café/walks/<int:pk>/")


def test_what_matches_no_route_gets_no_name(ask, app):
    """It becomes `(not found)`, by its status: scanners must not make series."""
    assert ask(app, "/wp-login.php") == ("404 Not Found", None)


def test_a_route_whose_view_finds_nothing_keeps_its_name(ask, app):
    """It is the view that did not find it."""
    assert ask(app, "/missing/7/") == ("404 Not Found", "/missing/<int:pk>/")


def test_files_are_one_route(ask, app):
    """Whatever they are called and wherever they lie."""
    assert ask(app, "/files/a/b.css") == ("404 Not Found", "(static)")


def test_a_name_the_app_gave_stays(ask, app):
    """It knew it before."""
    from wsgiapm.transaction import current_transaction

    def naming(environ, start_response):
        current_transaction().name = "own"
        return app(environ, start_response)

    assert ask(naming, "/own/") == ("200 OK", "own")


@pytest.mark.parametrize(
    ("route", "readable"),
    [
        ("", "/"),
        ("/", "/"),
        (r"^walks/(?P<pk>[0-9]+)/$", "/walks/<pk>/"),
        (r"^api/^users/(?P<a>((x)y)|[)])/\Z", "/api/users/<a>/"),
        (r"^a\.b\-c/(?P<slug>[-\w]+)\.(?P<format>json|xml)$", "/a.b-c/<slug>.<format>"),
        (r"^(?P<p>[^\]/]+)/x", "/<p>/x"),
        (r"^x/([^/]+)/$", "/x/([^/]+)/"),
        (r"^p/(?:page-(?P<n>[0-9]+)/)?$", "/p/(?:page-<n>/)?"),
        (r"(?P<outer>(?P<inner>x)y)/z", "/<outer>/z"),
        (r"^price/\$$", "/price/$"),
        (r"(?P<unfinished>x", "/<unfinished>"),
        ("<int:pk>/", "/<int:pk>/"),
    ],
)
def test_regular_expressions_are_made_readable(route, readable):
    """Named groups become names, anchors go, the rest stays as it is written."""
    assert readable_route(route) == readable
