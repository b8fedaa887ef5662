# SPDX-License-Identifier: Apache-2.0
"""The shop as a Django app."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """The only app of the project."""

    name = "shop"
