# SPDX-License-Identifier: Apache-2.0
"""Django, with its own middleware, GZip, WhiteNoise, the debug toolbar, streams, files and a log of its own."""

from __future__ import annotations

import logging
import os
from typing import Any

import django
from django.conf import settings
from django.http import FileResponse, Http404, HttpResponse, HttpResponseNotModified, StreamingHttpResponse
from django.middleware import gzip
from django.template import engines
from django.urls import include, path
from django.views.decorators.http import condition

FILES = os.environ["CORPUS_FILES"]


def plain(request: Any) -> HttpResponse:
    """A page, and a line in the log that is not ASCII."""
    logging.getLogger("shop.orders").info("Bestellung für %s: 你好", request.path)
    return HttpResponse(f"hello {request.GET.get('name', 'nobody')} ".encode() * 40)


def page(request: Any) -> HttpResponse:
    """A template, into which the toolbar is put."""
    template = engines["django"].from_string("<html><head><title>t</title></head><body>{{ text }}</body></html>")
    return HttpResponse(template.render({"text": "hällo"}))


def streamed(request: Any) -> StreamingHttpResponse:
    """Chunk by chunk, one of them empty."""
    return StreamingHttpResponse(iter([b"one ", b"", b"two ", b"three " * 100]))


def events(request: Any) -> StreamingHttpResponse:
    """Server-sent events that come to an end."""
    return StreamingHttpResponse(iter([b"data: 1\n\n", b"data: 2\n\n"]), content_type="text/event-stream")


def file(request: Any, name: str) -> FileResponse:
    """A file, by the server's file wrapper."""
    return FileResponse(open(os.path.join(FILES, name), "rb"))


@condition(etag_func=lambda request: '"fixed"')
def conditional(request: Any) -> HttpResponse:
    """An entity tag."""
    return HttpResponse("conditional")


def unchanged(request: Any) -> HttpResponse:
    """304 without being asked."""
    return HttpResponseNotModified()


def empty(request: Any) -> HttpResponse:
    """204."""
    return HttpResponse(status=204)


def missing(request: Any) -> HttpResponse:
    """404."""
    raise Http404("nothing here")


def broken(request: Any) -> HttpResponse:
    """500, with its traceback in the log."""
    raise RuntimeError("käputt")


def upload(request: Any) -> HttpResponse:
    """Tell what came."""
    return HttpResponse(f"{len(request.body)} bytes, {sum(request.body) % 65521}")


def half(request: Any) -> StreamingHttpResponse:
    """Fail in mid-body."""

    def chunks() -> Any:
        yield b"half "
        raise RuntimeError("in the middle")

    return StreamingHttpResponse(chunks())


urlpatterns = [
    path("plain", plain),
    path("page", page),
    path("toolbar/page", page),
    path("streamed", streamed),
    path("events", events),
    path("file/<name>", file),
    path("conditional", conditional),
    path("unchanged", unchanged),
    path("empty", empty),
    path("missing", missing),
    path("broken", broken),
    path("upload", upload),
    path("half", half),
]


def _shows_toolbar(request: Any) -> bool:
    return request.path_info.startswith("/toolbar")


def make(directory: str) -> Any:
    """Return the app."""
    gzip.GZipMiddleware.max_random_bytes = 0  # it makes answers of differing lengths, on purpose
    settings.configure(
        DEBUG=False,
        SECRET_KEY="corpus",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        USE_TZ=True,
        STATIC_URL="static/",
        STATIC_ROOT=directory,
        INSTALLED_APPS=["django.contrib.staticfiles", "debug_toolbar"],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "whitenoise.middleware.WhiteNoiseMiddleware",
            "debug_toolbar.middleware.DebugToolbarMiddleware",
            "django.middleware.gzip.GZipMiddleware",
            "django.middleware.http.ConditionalGetMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
        ],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        DEBUG_TOOLBAR_PANELS=["debug_toolbar.panels.headers.HeadersPanel", "debug_toolbar.panels.request.RequestPanel"],
        DEBUG_TOOLBAR_CONFIG={"SHOW_TOOLBAR_CALLBACK": _shows_toolbar, "IS_RUNNING_TESTS": False},
        LOGGING={
            "version": 1,
            "disable_existing_loggers": True,  # Django's own default
            "formatters": {"own": {"format": "⟦{levelname}⟧ {name}: {message}", "style": "{"}},
            "handlers": {
                "file": {
                    "class": "logging.FileHandler",
                    "filename": os.environ["CORPUS_LOG"],
                    "encoding": "utf-8",
                    "formatter": "own",
                }
            },
            "root": {"handlers": ["file"], "level": "INFO"},
            "loggers": {"django": {"handlers": ["file"], "level": "INFO", "propagate": False}},
        },
    )
    django.setup(set_prefix=False)
    urlpatterns.append(path("__debug__/", include("debug_toolbar.urls")))
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()
