# SPDX-License-Identifier: Apache-2.0
"""The names in the rows of requests in flight: the number of a name in the index."""

from __future__ import annotations

import os

from wsgiapm.aggregate.index import Index, IndexFullError

_SHIFT = 32
# How often a new name is tried when another process is writing the index just now.
_TRIES = 8


class RouteNames:
    """Names as one process writes them into its rows."""

    def __init__(self, index: Index, at_most: int) -> None:
        """Above `at_most` names in the index, no name is added any more."""
        self._index = index
        self._at_most = at_most

    def word(self, name: str) -> int:
        """Return a name's number as it stands in a row; 0, which means unknown, when it cannot be had now."""
        number = self._index.name_numbers.get(name)
        if number is None and len(self._index.names) < self._at_most:
            number = self._add(name)
        return (number or 0) << _SHIFT

    def _add(self, name: str) -> int | None:
        # Whoever writes the index is done within some microseconds. Without its name a transaction that is killed now
        # would be counted without its route.
        for _ in range(_TRIES):
            try:
                number = self._index.add_name(name)
            except (IndexFullError, OSError):
                return None
            if number is not None:
                return number
            os.sched_yield()
        return None
