# SPDX-License-Identifier: Apache-2.0
"""Taking turns within one process, without waiting: between threads, signal handlers, finalisers and greenlets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Turn:
    """Whoever stands first in the list has the turn.

    Each step is atomic and takes no lock that a fork or gevent could get at, and an exception out of a signal handler
    cannot leave the turn taken.
    """

    def __init__(self) -> None:
        """Begin with nobody's turn."""
        self._places: list[object] = []

    def is_taken(self) -> bool:
        """Tell whether it is somebody's turn now."""
        return bool(self._places)

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Give whether it is ours until the end of the block."""
        place = object()
        try:
            self._places.append(place)
            yield self._places[0] is place
        finally:
            # No call of a function written in Python: at its beginning the next exception could come in.
            if place in self._places:
                self._places.remove(place)
