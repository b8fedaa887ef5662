# SPDX-License-Identifier: Apache-2.0
"""What gunicorn serves. The two lines with `APMMiddleware` are all that the shop knows about being watched."""

import os

from django.core.wsgi import get_wsgi_application

from wsgiapm import APMMiddleware

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

application = APMMiddleware(get_wsgi_application())
