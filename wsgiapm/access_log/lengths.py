# SPDX-License-Identifier: Apache-2.0
"""Answers of varying length: `ab` calls each that is not as long as its first one failed, whatever its status."""

from __future__ import annotations

from typing import Final, NamedTuple

from wsgiapm.access_log.entry import Entry

_PATHS_AT_MOST = 1000
_AGENT: Final = "ApacheBench"


class Varying(NamedTuple):
    """What `ab` saw at one path: how many answers, of which lengths (bytes), and how many it called failed."""

    route: str
    path: str
    answers: int
    shortest: int
    longest: int
    differing: int
    succeeded: bool

    def explain(self) -> str:
        """Return the sentence that settles it."""
        statuses = "all of them succeeded (2xx)" if self.succeeded else "not all of them were 2xx, see their statuses"
        return (
            f"ab: lengths varied from {self.shortest} to {self.longest} bytes on route {self.route} ({self.path}); "
            f"{statuses}. ab calls the about {self.differing} of {self.answers} answers that are not as long as its first one "
            'failed ("Length"): use ab -l'
        )


class _Seen:
    __slots__ = ("answers", "bad", "differing", "first", "longest", "shortest")

    def __init__(self, size: int) -> None:
        self.first = self.shortest = self.longest = size
        self.answers = self.differing = self.bad = 0


class Lengths:
    """The lengths of what `ab` was answered, by path. In logs without a user agent every client may be ab."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self._seen: dict[tuple[str, str], _Seen] = {}

    def add(self, route: str, entry: Entry) -> None:
        """Take one answer into account."""
        if entry.size is None or (entry.agent is not None and not entry.agent.startswith(_AGENT)):
            return
        key = (route, entry.target)
        seen = self._seen.get(key)
        if seen is None:
            if len(self._seen) >= _PATHS_AT_MOST:
                return
            seen = self._seen[key] = _Seen(entry.size)
        seen.answers += 1
        seen.bad += not 200 <= entry.status < 300
        seen.differing += entry.size != seen.first
        seen.shortest = min(seen.shortest, entry.size)
        seen.longest = max(seen.longest, entry.size)

    def varying(self) -> list[Varying]:
        """Return the paths whose answers were not all of one length, the busiest first."""
        found = [
            Varying(route, path, s.answers, s.shortest, s.longest, s.differing, not s.bad)
            for (route, path), s in self._seen.items()
            if s.differing
        ]
        return sorted(found, key=lambda one: (-one.answers, one.path))
