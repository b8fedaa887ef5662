# SPDX-License-Identifier: Apache-2.0
"""The place of a transaction: what it is counted as, by its method and path, or by the name it is given.

Every request looks its place up, so it is made once and remembered; however many paths and names there are, only some
thousand are.
"""

from __future__ import annotations

from wsgiapm import route
from wsgiapm.aggregate import schema
from wsgiapm.aggregate.in_flight import tag
from wsgiapm.aggregate.index import Index
from wsgiapm.aggregate.layout import COUNTING, RUNNING
from wsgiapm.route_names import RouteNames
from wsgiapm.transaction import Place

PATHS_AT_MOST = 4096
_LONGEST_PATH = 200

METHODS = {
    name: {method: tag(0, code, scheme) for method, code in schema.METHOD_CODES.items()}
    for scheme, name in enumerate(schema.SCHEMES)
}
"""The low bits of a row's tag by scheme and method."""

HEAD = tuple(of_scheme["HEAD"] for of_scheme in METHODS.values())


def method_and_scheme(method: str, scheme: str) -> int:
    """Return the low bits of a row's tag for a request's method and scheme, whatever they are."""
    of_scheme = METHODS["https" if scheme == "https" else "http"]
    return of_scheme[method if method in of_scheme else schema.OTHER_METHOD]


class Places:
    """Places as one process remembers them. `of_paths` gives those of paths seen before, by method."""

    def __init__(self, index: Index, at_most: int) -> None:
        """Above `at_most` names in the index, no name is added any more."""
        self._names = RouteNames(index, at_most)
        self._at_most = at_most
        self.of_paths: dict[int, dict[str, Place]] = {}
        self._paths = 0
        # A path's route and the same text given as a name are two places: a 404 of the one is (not found).
        self._of_routes: dict[tuple[str, int], Place] = {}
        self._of_names: dict[tuple[str, int], Place] = {}
        self.word = self._names.word

    def learn(self, method: int, path: str) -> Place:
        """Return the place of a path seen for the first time with this method; remember it."""
        place = self._find(self._of_routes, route.fold(path), method)
        if place[1] != method and len(path) <= _LONGEST_PATH:
            if self._paths >= PATHS_AT_MOST:
                self.of_paths.clear()
                self._paths = 0
            self.of_paths.setdefault(method, {})[path] = place
            self._paths += 1
        return place

    def of_name(self, name: str, method: int) -> Place:
        """Return the place of a transaction that was given a name."""
        return self._find(self._of_names, name, method)

    def _find(self, places: dict[tuple[str, int], Place], name: str, method: int) -> Place:
        place = places.get((name, method))
        if place is None:
            word = self.word(name) | method
            place = (name, word, word - RUNNING + COUNTING, method in HEAD, {})
            if word != method:  # else the index is busy now, or has too many names
                if len(places) >= self._at_most:
                    places.clear()
                places[name, method] = place
        return place
