# SPDX-License-Identifier: Apache-2.0
"""The pages of the shop: one for every kind of work a web app does."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator

import requests
from django.conf import settings
from django.core.cache import cache
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count, F, Sum
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_POST

from shop.errors import BrokenPageError
from shop.models import Category, Order, Product

PAGE_SIZE = 24
LONGEST_SLEEP = 5.0


def ping(request: HttpRequest) -> JsonResponse:
    """Answer without any work: what is left is the price of the way there and back."""
    return JsonResponse({"pong": True})


def stock(request: HttpRequest, pk: int) -> JsonResponse:
    """One row and one cache lookup."""
    product = get_object_or_404(Product.objects.only("name", "stock"), pk=pk)
    delivery_days = cache.get("delivery_days", 3)
    return JsonResponse({"name": product.name, "stock": product.stock, "delivery_days": delivery_days})


def product_list(request: HttpRequest) -> HttpResponse:
    """A page with a template and several queries."""
    page = Paginator(Product.objects.select_related("category"), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "categories": Category.objects.annotate(size=Count("products")),
        "in_stock": Product.objects.aggregate(sum=Sum("stock"))["sum"],
        "newest_orders": Order.objects.select_related("product")[:5],
    }
    return render(request, "shop/list.html", context)


def product_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One product, and others of its shelf."""
    product = get_object_or_404(Product.objects.select_related("category"), pk=pk)
    neighbours = Product.objects.filter(category=product.category).exclude(pk=pk)[:4]
    return render(request, "shop/detail.html", {"product": product, "neighbours": neighbours})


def search(request: HttpRequest) -> HttpResponse:
    """A search that no index helps."""
    words = request.GET.get("q", "")
    found = Product.objects.filter(description__icontains=words).select_related("category")[:PAGE_SIZE]
    return render(request, "shop/search.html", {"words": words, "found": found})


@require_POST
def checkout(request: HttpRequest) -> JsonResponse:
    """Write an order and take the goods from the shelf, in one transaction."""
    wish = json.loads(request.body)
    quantity = int(wish["quantity"])
    with transaction.atomic():
        product = get_object_or_404(Product, pk=wish["product"])
        Product.objects.filter(pk=product.pk).update(stock=F("stock") - quantity)
        order = Order.objects.create(product=product, quantity=quantity, total=product.price * quantity)
    return JsonResponse({"order": order.pk, "total": str(order.total)}, status=201)


def recommendations(request: HttpRequest) -> JsonResponse:
    """Ask another service."""
    product = int(request.GET.get("product", "1"))
    answer = requests.get(f"{settings.UPSTREAM}/similar/{product}", timeout=10)
    answer.raise_for_status()
    return JsonResponse({"product": product, "similar": answer.json()["similar"]})


class _Echo:
    """A file for the csv module that hands every line straight on."""

    def write(self, line: str) -> str:
        return line


def export(request: HttpRequest) -> StreamingHttpResponse:
    """All products, streamed line by line."""
    writer = csv.writer(_Echo())

    def lines() -> Iterator[str]:
        yield writer.writerow(["id", "name", "price", "stock"])
        for row in Product.objects.values_list("id", "name", "price", "stock").iterator(chunk_size=100):
            yield writer.writerow(row)

    return StreamingHttpResponse(lines(), content_type="text/csv")


def manual(request: HttpRequest) -> FileResponse:
    """A file, for the server to send as it likes best."""
    return FileResponse(open(settings.MANUAL, "rb"), content_type="application/pdf")  # closed by the response


def slow(request: HttpRequest) -> JsonResponse:
    """Take `?seconds=`, at most five."""
    seconds = min(float(request.GET.get("seconds", "0.4")), LONGEST_SLEEP)
    time.sleep(seconds)
    return JsonResponse({"slept": seconds})


def broken(request: HttpRequest) -> HttpResponse:
    """Fail, as code does."""
    raise BrokenPageError("this page is broken on purpose")
