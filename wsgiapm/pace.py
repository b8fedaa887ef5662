# SPDX-License-Identifier: Apache-2.0
"""The pace of long computations in a process that serves requests meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from wsgiapm import clock, native

_Item = TypeVar("_Item")
_STRETCH_NS = 500_000
# A sleep of no time would have the GIL back before anybody has woken up.
_MOMENT = 0.0001
_PART = 512


class Pace(Protocol):
    """How a computation goes through its items."""

    def __call__(self, items: Iterable[_Item]) -> Iterable[_Item]:
        """Return the items, one after the other."""


def at_once(items: Iterable[_Item]) -> Iterable[_Item]:
    """Go through items as fast as can be."""
    return items


def in_parts(items: list[_Item], pace: Pace) -> Iterator[list[_Item]]:
    """Return some hundred items at a time, for what takes far less than a microsecond for each."""
    return (items[start : start + _PART] for start in pace(range(0, len(items), _PART)))


class GivingWay:
    """Goes through items, and lets other threads run every half a millisecond, however many loops that takes.

    A thread that wants the GIL gets it only after 5 ms (sys.getswitchinterval), each time anew: an event loop would be
    held up for as long at every one of its system calls.
    """

    def __init__(self) -> None:
        """Begin the first stretch."""
        self._due = clock.monotonic_ns() + _STRETCH_NS

    def __call__(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """See `Pace`."""
        for item in items:
            yield item
            if clock.monotonic_ns() > self._due:
                native.sleep(_MOMENT)
                self._due = clock.monotonic_ns() + _STRETCH_NS
