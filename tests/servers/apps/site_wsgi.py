# SPDX-License-Identifier: Apache-2.0
"""The WSGI app of the Django site of these tests."""

from __future__ import annotations

from django.core.wsgi import get_wsgi_application

from wsgiapm import APMMiddleware

application = APMMiddleware(get_wsgi_application())
