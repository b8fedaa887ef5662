# SPDX-License-Identifier: Apache-2.0
"""`manage.py setup_shop`: the tables, the goods and the manual, always the same ones."""

from __future__ import annotations

import os
import random
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import transaction

from shop.models import Category, Product

CATEGORIES = ("Boots", "Jackets", "Lamps", "Maps", "Packs", "Stoves", "Tents", "Tools")
QUALITIES = ("light", "sturdy", "waterproof", "folding", "warm", "small", "large", "red", "blue", "green")
PRODUCTS = 400
MANUAL_BYTES = 200_000


class Command(BaseCommand):
    """Fill an empty database; leave a filled one alone."""

    help = "create the tables, the products and the manual"

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what is not done yet."""
        call_command("migrate", verbosity=0)
        if not Product.objects.exists():
            with transaction.atomic():
                _stock_shelves(random.Random(20))
        if not os.path.exists(settings.MANUAL):
            with open(settings.MANUAL, "wb") as manual:
                manual.write(_manual())
        self.stdout.write(f"{Product.objects.count()} products in {settings.DATABASES['default']['NAME']}")


def _stock_shelves(chance: random.Random) -> None:
    categories = Category.objects.bulk_create([Category(name=name) for name in CATEGORIES])
    Product.objects.bulk_create(
        [_product(number, chance.choice(categories), chance) for number in range(1, PRODUCTS + 1)]
    )


def _product(number: int, category: Category, chance: random.Random) -> Product:
    first, second = chance.sample(QUALITIES, 2)
    return Product(
        category=category,
        name=f"{first.capitalize()} {category.name.lower().rstrip('s')} no. {number}",
        description=f"A {first}, {second} companion. " * chance.randint(3, 12),
        price=Decimal(chance.randint(500, 30_000)) / 100,
        stock=chance.randint(0, 500),
    )


def _manual() -> bytes:
    """A page without words, padded to the size of a real manual by a comment."""
    head = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    page = b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj\n"
    end = b"trailer<</Root 1 0 R>>\n%%EOF\n"
    return head + page + b"%".ljust(MANUAL_BYTES, b".") + b"\n" + end
