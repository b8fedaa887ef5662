# SPDX-License-Identifier: Apache-2.0
"""What a view is called."""

from __future__ import annotations

from functools import partial, wraps

import pytest

from wsgiapm.dotted_name import dotted_name
from wsgiapm.transaction import Transaction


def view():
    """A function."""


class View:
    """A class that is a view, its methods, its objects."""

    def get(self):
        """A method."""

    @classmethod
    def make(cls):
        """A class method."""

    def __call__(self):
        """An object may be called, too."""


class Derived(View):
    """Inherits its methods."""


def as_view(attribute):
    """What frameworks make of a class: a function that names it."""

    def made():
        return None

    setattr(made, attribute, View)
    return made


@wraps(view)
def decorated():
    """Told by the function inside."""


HERE = __name__


@pytest.mark.parametrize(
    ("what", "name"),
    [
        (view, "view"),
        (decorated, "view"),
        (partial(partial(view)), "view"),
        (View, "View"),
        (as_view("view_class"), "View"),
        (as_view("cls"), "View"),
        (View().get, "View.get"),
        (Derived().get, "Derived.get"),
        (Derived.make, "Derived.make"),
        (View(), "View"),
    ],
    ids=[
        "function",
        "decorated",
        "partial",
        "class",
        "view_class",
        "cls",
        "method",
        "inherited",
        "class method",
        "object",
    ],
)
def test_a_view_is_called_as_it_is_found_in_the_source(what, name):
    """By module and qualified name, whatever a framework or a decorator has made of it."""
    assert dotted_name(what) == f"{HERE}.{name}"


def test_a_transaction_knows_its_view_when_a_framework_told():
    """And says None else."""
    transaction = Transaction()
    assert transaction.function_name is None
    transaction.view = view

    assert transaction.function_name == f"{HERE}.view"
