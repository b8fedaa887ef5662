# SPDX-License-Identifier: Apache-2.0
"""Named tuples of our own behave as those of `typing` do."""

from __future__ import annotations

import copy
import pickle
from typing import NamedTuple as TypingNamedTuple

import pytest

from wsgiapm.named_tuple import NamedTuple


class Ours(NamedTuple):
    """A walk."""

    name: str
    length: int = 7
    unit: str = "km"

    @property
    def shown(self) -> str:
        """As text."""
        return f"{self.length} {self.unit}"

    def __str__(self) -> str:
        return self.name


class Theirs(TypingNamedTuple):
    """The same."""

    name: str
    length: int = 7
    unit: str = "km"


class Longer(Ours):
    """A kind of walk."""

    __slots__ = ()


CALLS = [
    (("a",), {}),
    (("a", 1), {}),
    (("a", 1, "m"), {}),
    ((), {"name": "a"}),
    (("a",), {"unit": "m"}),
    ((), {"unit": "m", "name": "a", "length": 0}),
    ((), {}),
    (("a", 1, "m", 2), {}),
    (("a",), {"name": "b"}),
    (("a",), {"height": 3}),
    ((), {"length": 3}),
]


def outcome(kind, values, named):
    """What a call makes, or that it is refused."""
    try:
        return tuple(kind(*values, **named))
    except TypeError:
        return TypeError


@pytest.mark.parametrize(("values", "named"), CALLS)
def test_they_are_made_of_the_same(values, named):
    """By position, by name, with defaults; what is missing, given twice or unknown is refused."""
    assert outcome(Ours, values, named) == outcome(Theirs, values, named)


def test_a_refusal_says_what_is_wrong():
    """The fields there are, and what was given or not."""
    with pytest.raises(TypeError, match=r"Ours\(name, length, unit\) was not given name"):
        Ours(length=3)
    with pytest.raises(TypeError, match=r"Ours\(name, length, unit\) does not take 1 values and height"):
        Ours("a", height=3)


def test_they_are_tuples():
    """Equal to, hashed, ordered and unpacked as tuples are; without room for anything else."""
    ours = Ours("a", 1)

    assert ours == ("a", 1, "km")
    assert hash(ours) == hash(("a", 1, "km"))
    assert ours < Ours("b", 0)
    assert (ours.name, ours.length, ours.unit) == tuple(ours)
    assert not hasattr(ours, "__dict__")
    with pytest.raises(AttributeError):
        ours.name = "b"


def test_they_know_their_fields():
    """Whatever goes by the fields of a named tuple finds them."""
    assert (Ours._fields, Ours._field_defaults) == (Theirs._fields, Theirs._field_defaults)
    assert Ours("a")._asdict() == Theirs("a")._asdict()
    assert Ours("a")._replace(length=3) == Theirs("a")._replace(length=3)
    assert repr(Ours("a")) == repr(Theirs("a")).replace("Theirs", "Ours")
    assert Ours.__match_args__ == ("name", "length", "unit")
    assert (Ours.__doc__, Ours.__module__, Ours.__qualname__) == ("A walk.", __name__, "Ours")


def test_they_have_methods_and_heirs():
    """What is defined in a class is kept, and inherited."""
    assert (str(Ours("a")), Ours("a").shown) == ("a", "7 km")
    assert (Longer("b").shown, type(Longer("b")._replace(length=1))) == ("7 km", Longer)


def test_they_can_be_copied_and_pickled():
    """What comes back is of the same class."""
    for again in (copy.copy(Ours("a")), copy.deepcopy(Ours("a")), pickle.loads(pickle.dumps(Ours("a")))):
        assert again == Ours("a")
        assert type(again) is Ours
