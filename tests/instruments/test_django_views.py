# SPDX-License-Identifier: Apache-2.0
"""Views of Django: functions, classes and those of Django REST framework, behind middlewares; templates of Django."""

from __future__ import annotations

import types

import django
import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.test import override_settings
from django.urls import include, path
from django.views import View


def function(request, **_):
    """A function."""
    return HttpResponse(b"x")


class Class(View):
    """A class."""

    def get(self, request, **_):
        """Its method."""
        return HttpResponse(b"x")


def refusing(get_response):
    """A middleware that answers some requests itself."""

    def answer(request):
        return HttpResponse(b"no", status=403) if "refused" in request.path else get_response(request)

    return answer


class Taking:
    """A middleware that looks at views, and asks for another URLconf."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.path.startswith("/tenant/"):
            request.urlconf = OTHER
        return self.get_response(request)

    def process_view(self, request, view, args, kwargs):
        return HttpResponse(b"taken") if "taken" in request.path else None


@pytest.fixture(scope="module")
def app():
    """A Django app with an API."""
    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["localhost"], SECRET_KEY="for tests", DEBUG=False)
        django.setup()
    here = types.ModuleType("urls_of_views")
    with override_settings(
        ROOT_URLCONF=here,
        MIDDLEWARE=[f"{__name__}.refusing", f"{__name__}.Taking"],
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": [],
            "DEFAULT_PERMISSION_CLASSES": [],
            "UNAUTHENTICATED_USER": None,
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        },
    ):
        from rest_framework.decorators import api_view
        from rest_framework.response import Response
        from rest_framework.routers import SimpleRouter
        from rest_framework.views import APIView
        from rest_framework.viewsets import ViewSet

        class Api(APIView):
            def get(self, request, **_):
                return Response({})

        class Walks(ViewSet):
            def list(self, request):
                return Response([])

            def retrieve(self, request, pk):
                return Response({})

        router = SimpleRouter()
        router.register("walks", Walks, basename="walk")
        here.urlpatterns = [
            path("function/<int:pk>/", function),
            path("class/<int:pk>/", Class.as_view()),
            path("api/<int:pk>/", Api.as_view()),
            path("decorated/<int:pk>/", api_view(["GET"])(function)),
            path("rest/", include(router.urls)),
            path("taken/<int:pk>/", function),
        ]
        yield WSGIHandler()


OTHER = types.ModuleType("other_urls")
OTHER.urlpatterns = [path("tenant/<int:pk>/", function)]


@pytest.mark.parametrize(
    ("asked", "route", "view"),
    [
        ("/function/7/", "/function/<int:pk>/", "function"),
        ("/class/7/", "/class/<int:pk>/", "Class"),
        ("/api/7/", "/api/<int:pk>/", "app.<locals>.Api"),
        ("/rest/walks/", "/rest/walks/", "app.<locals>.Walks"),
        ("/rest/walks/7/", "/rest/walks/<pk>/", "app.<locals>.Walks"),
        ("/taken/7/", "/taken/<int:pk>/", "function"),
        ("/tenant/7/", "/tenant/<int:pk>/", "function"),
    ],
)
def test_every_kind_of_view_is_told_by_route_and_name(asked, route, view, ask, app, failures):
    """Also when a middleware answers in its place, or has asked for other URLs."""
    assert ask(app, asked) == ("200 OK", route)
    assert ask.transaction.function_name == f"{__name__}.{view}"
    assert failures == []


def test_what_a_middleware_answers_has_no_route(ask, app):
    """Nobody has asked for one: it is named by its path, or by its status where that is 404."""
    assert ask(app, "/function/refused/") == ("403 Forbidden", None)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PROPFIND"])
def test_every_method_has_the_same_route(method, ask, app):
    """The method is told apart, as it was sent."""
    assert ask(app, "/function/7/", REQUEST_METHOD=method)[1] == "/function/<int:pk>/"


def test_a_template_is_a_span_with_each_it_includes(spans, failures):
    """The one it extends is none, for its blocks are the other's."""
    from django.template import Context, Engine

    templates = {
        "base.html": "<{% block body %}{% endblock %}>",
        "page.html": "{% extends 'base.html' %}{% block body %}{% include 'part.html' %}{% endblock %}",
        "part.html": "{{ value }}{% include leaf %}",
        "leaf.html": "!",
    }
    engine = Engine(loaders=[("django.template.loaders.locmem.Loader", templates)])
    page = engine.get_template("page.html")

    assert page.render(Context({"value": 1, "leaf": engine.get_template("leaf.html")})) == "<1!>"
    assert spans == [("leaf.html", "part.html"), ("part.html", "page.html"), ("page.html", None)]
    spans.clear()
    engine.from_string("x").render(Context())
    assert spans == [("(string)", None)]
    assert failures == []
