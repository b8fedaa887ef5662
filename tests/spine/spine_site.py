# SPDX-License-Identifier: Apache-2.0
"""A Django site in one file, with an answer of every kind the spine has to count."""

from __future__ import annotations

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

from wsgiapm import APMMiddleware

settings.configure(
    SECRET_KEY="tests only",
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    LOGGING_CONFIG=None,
)
django.setup()


def ping(_request: HttpRequest) -> HttpResponse:
    """Answer without any work."""
    return HttpResponse(b'{"pong": true}', content_type="application/json")


def item(_request: HttpRequest, pk: int) -> HttpResponse:
    """Answer for one of many ids."""
    return HttpResponse(f"item {pk}")


def export(_request: HttpRequest) -> StreamingHttpResponse:
    """Answer in pieces."""
    return StreamingHttpResponse((b"line\n" for _ in range(100)), content_type="text/csv")


def broken(_request: HttpRequest) -> HttpResponse:
    """Fail."""
    msg = "broken on purpose"
    raise ValueError(msg)


urlpatterns = [path("ping", ping), path("items/<int:pk>/", item), path("export.csv", export), path("broken/", broken)]

from django.core.wsgi import get_wsgi_application  # noqa: E402  # after the settings

application = APMMiddleware(get_wsgi_application(), app_name="site")
