# SPDX-License-Identifier: Apache-2.0
"""The shop as a project that knows nothing of being watched: what `django-admin startproject` writes as wsgi.py."""

from __future__ import annotations

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
