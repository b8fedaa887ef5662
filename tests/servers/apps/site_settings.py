# SPDX-License-Identifier: Apache-2.0
"""A Django site for Django's own server: its settings and its URLs."""

from __future__ import annotations

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


def json(_request):
    """Answer at once."""
    return HttpResponse(b'{"ok": true}', content_type="application/json")


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


urlpatterns = [path(view.__name__, view) for view in (json, pid, stream, error, stuck)]
