# SPDX-License-Identifier: Apache-2.0
"""The addresses of the shop."""

from django.urls import path

from shop import views

urlpatterns = [
    path("", views.product_list),
    path("products/<int:pk>/", views.product_detail),
    path("search", views.search),
    path("checkout/", views.checkout),
    path("recommendations/", views.recommendations),
    path("export.csv", views.export),
    path("manual.pdf", views.manual),
    path("slow/", views.slow),
    path("broken/", views.broken),
    path("api/ping", views.ping),
    path("api/stock/<int:pk>/", views.stock),
]
