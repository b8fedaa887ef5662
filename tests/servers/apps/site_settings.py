# SPDX-License-Identifier: Apache-2.0
"""A Django site for Django's own server: its settings and its URLs."""

from __future__ import annotations

import logging
import os
import time

from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

SECRET_KEY = "tests only"
ROOT_URLCONF = __name__
WSGI_APPLICATION = "site_wsgi.application"
ALLOWED_HOSTS = ["127.0.0.1"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
USE_TZ = True
TIME_ZONE = "UTC"
DEBUG = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": True,
    "formatters": {"own": {"format": "APP|%(levelname)s|%(name)s|%(message)s"}},
    "handlers": {"own": {"class": "logging.StreamHandler", "formatter": "own"}},
    "loggers": {"shop": {"handlers": ["own"], "level": "DEBUG", "propagate": False}},
    "root": {"handlers": ["own"], "level": "WARNING"},
}


def json(_request):
    """Answer at once."""
    return HttpResponse(b'{"ok": true}', content_type="application/json")


def log(request):
    """Log what is asked, by a logger of its own and by one that nobody has set up."""
    logging.getLogger("shop").info("Grüße, 漢字: %s", request.path)
    logging.getLogger("elsewhere").warning("Füße")
    return HttpResponse("\n".join(sorted(logging.root.manager.loggerDict)))


def pid(_request):
    """Say which process answers."""
    return HttpResponse(str(os.getpid()))


def stream(_request):
    """Answer in pieces."""
    return StreamingHttpResponse(b"0123456789" for _ in range(10))


def error(_request):
    """Fail."""
    raise ValueError("on purpose")


def stuck(_request):
    """Answer after the test is over."""
    with open(os.path.join(os.environ["MARKS"], f"stuck-{os.getpid()}"), "w", encoding="ascii"):
        time.sleep(60)
    return HttpResponse("late")


urlpatterns = [path(view.__name__, view) for view in (json, log, pid, stream, error, stuck)]
