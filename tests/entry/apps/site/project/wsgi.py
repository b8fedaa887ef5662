# SPDX-License-Identifier: Apache-2.0
"""Django's own wsgi.py, as startproject writes it."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

application = get_wsgi_application()
