# SPDX-License-Identifier: Apache-2.0
"""The dotted name of what answers a request, as one looks it up in the source: `shop.views.WalkView.get`."""

from __future__ import annotations

from functools import partial

_LONGEST_NAME = 200
# What class-based views of Django, Flask, Django REST framework and others are called where they look like functions.
_CLASSES = ("view_class", "cls")


def dotted_name(view: object) -> str:
    """Return module and qualified name of a function, a class, a method, or what is made of them."""
    while isinstance(view, partial):
        view = view.func
    for attribute in _CLASSES:
        inner = getattr(view, attribute, None)
        if isinstance(inner, type):
            view = inner
            break
    owner = getattr(view, "__self__", None)
    name = getattr(view, "__name__", None)
    if owner is not None and isinstance(name, str):  # a bound method: of the class it was called on
        kind = owner if isinstance(owner, type) else type(owner)
        return f"{kind.__module__}.{kind.__qualname__}.{name}"[:_LONGEST_NAME]
    if not isinstance(getattr(view, "__qualname__", None), str):
        view = type(view)  # an object that can be called
    module = getattr(view, "__module__", None)
    qualified = str(getattr(view, "__qualname__", ""))
    return (f"{module}.{qualified}" if isinstance(module, str) else qualified)[:_LONGEST_NAME]
