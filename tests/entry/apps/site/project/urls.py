# SPDX-License-Identifier: Apache-2.0
"""One page."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import path


def walk(request, pk):
    """Return a page."""
    return HttpResponse(f"walk {pk}")


urlpatterns = [path("walks/<int:pk>/", walk)]
