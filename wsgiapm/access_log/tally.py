# SPDX-License-Identifier: Apache-2.0
"""The tally of an access log: what it has by route and status, kept in a bounded amount of memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import unquote

from wsgiapm.access_log.entry import Entry
from wsgiapm.access_log.formats import Format
from wsgiapm.access_log.lengths import Lengths
from wsgiapm.access_log.route_finder import OTHER, RouteFinder

Key = tuple[str, int]

_ROUTES_AT_MOST = 10_000
_EXAMPLES = 3
_SHOWN = 200
# Statuses that no other server than nginx writes.
_OF_NGINX: Final = frozenset({444, 494, 495, 496, 497, 499})
_HEALTH_AGENTS = (
    "kube-probe",
    "elb-healthchecker",
    "googlehc",
    "haproxy",
    "consul health",
    "uptime",
    "pingdom",
    "health",
)
_HEALTH_PATHS = frozenset(
    {"/health", "/healthz", "/healthcheck", "/health-check", "/livez", "/live", "/readyz", "/ready", "/ping", "/status"}
)


class Tally:
    """The counts of the lines that were added.

    `counts` and `sizes` are of the requests that should be ours as well; `sizes`, by route, leave HEAD out, and are None
    when the format does not say them. `at_start` and `health` are parts of `counts`: what was written in the very second
    our counting began, and what looks like a health check.
    """

    def __init__(
        self, finder: RouteFinder, ignored: Sequence[str] = (), window: tuple[float, float] | None = None
    ) -> None:
        """`ignored` are prefixes of paths we do not record; lines outside of `window` (epoch seconds) are left out."""
        self._finder = finder
        self._ignored = tuple(ignored)
        self._window = window
        self.counts: Counter[Key] = Counter()
        self.sizes: Counter[str] | None = Counter()
        self.at_start: Counter[Key] = Counter()
        self.health: Counter[Key] = Counter()
        self.lines = self.malformed = self.ignored = self.before = self.after = self.by_proxy = self.heads = 0
        self.examples: list[str] = []
        self.first: float | None = None
        self.last: float | None = None
        self.of_nginx = False
        self.lengths = Lengths()
        self._routes: set[str] = set()

    def add(self, lines: Iterable[str], form: Format) -> None:
        """Count the lines of a log."""
        self.of_nginx = self.of_nginx or form.of_nginx
        for line in lines:
            self.lines += 1
            entry = form.parse(line)
            if entry is None:
                self.malformed += 1
                if len(self.examples) < _EXAMPLES:
                    self.examples.append(line[:_SHOWN])
            elif self._is_inside(entry.time):
                self._count(entry)

    def _is_inside(self, time: float | None) -> bool:
        if time is None:
            return True
        self.first = time if self.first is None or time < self.first else self.first
        self.last = time if self.last is None or time > self.last else self.last
        if self._window is not None:
            # Without parts of a second, a line may have been written up to a second later than it says.
            if time < int(self._window[0]):
                self.before += 1
                return False
            if time > self._window[1]:
                self.after += 1
                return False
        return True

    def _count(self, entry: Entry) -> None:
        if entry.status in _OF_NGINX or not entry.target:
            self.of_nginx = True
        if entry.upstream is False:
            self.by_proxy += 1
            return
        path = entry.target.partition("?")[0]
        if self._ignored and unquote(path).startswith(self._ignored):
            self.ignored += 1
            return
        route = self._finder.find(entry.target, entry.status) if entry.target else OTHER
        if route not in self._routes:
            if len(self._routes) >= _ROUTES_AT_MOST:
                route = OTHER
            self._routes.add(route)
        key = (route, entry.status)
        self.counts[key] += 1
        if self._window is not None and entry.time is not None and entry.time <= self._window[0]:
            self.at_start[key] += 1
        agent = (entry.agent or "").lower()
        if path in _HEALTH_PATHS or any(name in agent for name in _HEALTH_AGENTS):
            self.health[key] += 1
        self._count_size(route, entry)

    def _count_size(self, route: str, entry: Entry) -> None:
        if entry.method == "HEAD":
            self.heads += 1
        elif entry.size is None:
            self.sizes = None
        else:
            if self.sizes is not None:
                self.sizes[route] += entry.size
            self.lengths.add(route, entry)
