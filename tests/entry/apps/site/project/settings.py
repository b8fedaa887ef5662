# SPDX-License-Identifier: Apache-2.0
"""The settings of a small project, unless START is set without a word of wsgiapm."""

from __future__ import annotations

import os

SECRET_KEY = "made up"
DEBUG = True
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
USE_TZ = True

if os.environ.get("START"):
    import wsgiapm

    wsgiapm.start()
