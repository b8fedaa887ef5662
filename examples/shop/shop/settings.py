# SPDX-License-Identifier: Apache-2.0
"""Settings of the example shop. What differs from place to place comes from SHOP_* variables."""

import os
from pathlib import Path

from shop.databases import database

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = False
SECRET_KEY = "an example has nothing to protect"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
INSTALLED_APPS = ["shop.apps.ShopConfig"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

# A path, or an address such as mysql://root@127.0.0.1:3306/shop or postgresql://shop@127.0.0.1:5432/shop.
DATABASES = {"default": database(os.environ.get("SHOP_DATABASE", str(BASE_DIR / "shop.sqlite3")))}

# The manual that customers download; `manage.py setup_shop` writes it.
MANUAL = os.environ.get("SHOP_MANUAL", str(BASE_DIR / "manual.pdf"))

# The service that /recommendations/ asks: see examples/upstream.py.
UPSTREAM = os.environ.get("SHOP_UPSTREAM", "http://127.0.0.1:8001")

# Errors go to standard error, but not those the shop raises on purpose.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"unexpected": {"()": "shop.errors.UnexpectedFilter"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "filters": ["unexpected"]}},
    "loggers": {"django": {"handlers": ["console"], "level": "ERROR", "propagate": False}},
}
