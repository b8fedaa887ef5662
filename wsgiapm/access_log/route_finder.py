# SPDX-License-Identifier: Apache-2.0
"""From a path in a log to the route we count it under: by the templates that we have counted.

The log has `/walks/12/`, our counters have `/walks/<int:pk>/`. Where several templates fit, the one with the
fewest and narrowest placeholders is taken, and the others are remembered: the framework may have chosen one of them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from wsgiapm.route import decode_path, fold

NOT_FOUND, STATIC, OTHER, UNKNOWN = "(not found)", "(static)", "(other)", "(unknown)"
_REMEMBERED = 65_536
_PLACEHOLDER = re.compile(r"<(?:(?P<kind>\w+)(?:\([^)]*\))?:)?[^<>]*>|\{[^{}/]*\}")
_KINDS = {
    "int": "[0-9]+",
    "float": "[0-9.]+",
    "uuid": "[0-9a-fA-F-]{32,36}",
    "slug": "[-a-zA-Z0-9_]+",
    "path": ".+",
}
_ANY = "[^/]+"
_COST = {"[0-9]+": 1, "[0-9.]+": 1, "[0-9a-fA-F-]{32,36}": 1, "[-a-zA-Z0-9_]+": 2, _ANY: 3, ".+": 10}


class _Template(NamedTuple):
    cost: int
    route: str
    pattern: re.Pattern[str]


def _make_template(route: str) -> _Template | None:
    if not route.startswith("/"):
        return None
    if "(?P<" in route or "^" in route or route.endswith(("$", "\\Z")):
        try:
            return _Template(5, route, re.compile(route.replace("^", "").removesuffix("$").removesuffix("\\Z")))
        except re.error:
            return None
    parts, cost, end = [], 0, 0
    for match in _PLACEHOLDER.finditer(route):
        body = _KINDS.get(match["kind"] or "", _ANY)
        parts += [re.escape(route[end : match.start()]), body]
        cost += _COST[body]
        end = match.end()
    parts.append(re.escape(route[end:]))
    return _Template(cost, route, re.compile("".join(parts)))


def _first_segment(path: str) -> str:
    return path.split("/", 2)[1] if path.startswith("/") else ""


class RouteFinder:
    """Finds routes. `overlaps` are the pairs of routes that one path fitted, the one taken first."""

    def __init__(self, known: Iterable[tuple[str, int | None]]) -> None:
        """`known` are the routes and statuses we have counted."""
        self._known = set(known)
        self._routes = {route for route, _ in self._known}
        self._templates: dict[str, list[_Template]] = defaultdict(list)
        for route in sorted(self._routes):
            template = _make_template(route)
            if template is not None:
                first = _first_segment(route)
                self._templates["" if re.search(r"[<{(\\^]", first) else first].append(template)
        self._found: dict[tuple[str, int], str] = {}
        self.overlaps: set[tuple[str, str]] = set()

    def find(self, target: str, status: int) -> str:
        """Return the route of a request target (path and query), answered with `status`."""
        path = _path_of(target)
        key = (path, status)
        route = self._found.get(key)
        if route is None:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            route = self._found[key] = self._find(path, status)
        return route

    def _find(self, raw: str, status: int) -> str:
        path = unquote_to_bytes(raw).decode("latin-1")  # as a server gives it to the app
        text = decode_path(path)
        every = [*self._templates.get(_first_segment(text), ()), *self._templates.get("", ())]
        fitting = [t.route for t in sorted(every) if t.pattern.fullmatch(text)]
        folded = fold(path)
        candidates = [*fitting, *([] if folded in fitting else [folded]), *([NOT_FOUND] if status == 404 else [])]
        counted = [route for route in candidates if (route, status) in self._known]
        chosen: str = (counted or ([NOT_FOUND] if status == 404 and not fitting else candidates))[0]
        self.overlaps.update((chosen, other) for other in candidates if other != chosen and other in self._routes)
        return chosen


def _path_of(target: str) -> str:
    """Return the path of a request target, which may be a whole address."""
    if not target.startswith("/"):
        _, scheme, rest = target.partition("://")
        slash = rest.find("/")
        target = rest[slash:] if scheme and slash >= 0 else "/"
    return target.partition("?")[0].partition("#")[0]
