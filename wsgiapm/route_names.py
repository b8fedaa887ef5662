# SPDX-License-Identifier: Apache-2.0
"""The names in the rows of requests in flight: which route a path is taken for, and the number of a name in the index."""

from __future__ import annotations

import os

from wsgiapm import route
from wsgiapm.aggregate.index import Index, IndexFullError

PATHS_AT_MOST = 4096
_LONGEST_PATH = 200
_SHIFT = 32
# How often a new name is tried when another process is writing the index just now.
_TRIES = 8


class RouteNames:
    """Names as one process writes them into its rows. `of_paths` gives the route and the word of paths seen before."""

    def __init__(self, index: Index, at_most: int) -> None:
        """Above `at_most` names in the index, no name is added any more."""
        self._index = index
        self._at_most = at_most
        self.of_paths: dict[str, tuple[str, int]] = {}

    def learn(self, path: str) -> tuple[str, int]:
        """Return the route of a path seen for the first time, and its word; remember them."""
        folded = route.fold(path)
        found = (folded, self.word(folded))
        if len(self.of_paths) >= PATHS_AT_MOST:
            self.of_paths.clear()
        if found[1] and len(path) <= _LONGEST_PATH:
            self.of_paths[path] = found
        return found

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
