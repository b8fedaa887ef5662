# SPDX-License-Identifier: Apache-2.0
"""What the shop sells, and what was bought."""

from django.db import models


class Category(models.Model):
    """A shelf."""

    name = models.CharField(max_length=60, unique=True)

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "categories"

    def __str__(self) -> str:
        return self.name


class Product(models.Model):
    """One thing for sale. Its stock may fall below zero: then it is on order."""

    category = models.ForeignKey(Category, on_delete=models.CASCADE, related_name="products")
    name = models.CharField(max_length=120, db_index=True)
    description = models.TextField()
    price = models.DecimalField(max_digits=8, decimal_places=2)
    stock = models.IntegerField()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    """Something a customer bought."""

    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="orders")
    quantity = models.PositiveIntegerField()
    total = models.DecimalField(max_digits=10, decimal_places=2)
    placed = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.quantity} x {self.product}"
