# SPDX-License-Identifier: Apache-2.0
"""The reconciliation: where log and counters differ, which part of that has an explanation, and what remains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from wsgiapm.access_log.books import Books
from wsgiapm.access_log.route_finder import NOT_FOUND, OTHER, STATIC, UNKNOWN
from wsgiapm.access_log.tally import Tally

Key = tuple[str, int | None]

# What nginx answers by itself: redirects, refusals, and what it says when the app gave no answer.
_BY_NGINX: Final = frozenset(
    {301, 302, 304, 307, 308, 400, 401, 403, 404, 405, 408, 411, 412, 413, 414, 415, 416, 421, 429}
)
_CLIENT_GONE: Final = frozenset({444, 494, 495, 496, 497, 499})
_NO_ANSWER: Final = frozenset({500, 502, 503, 504})


class Row(NamedTuple):
    """Requests on one route with one status: in the log and in our books, and what no explanation covers."""

    route: str
    status: int | None
    log: int
    ours: int
    unexplained: int


class Sizes(NamedTuple):
    """Bytes of bodies on one route. `explained` is why they may differ, empty when they must not."""

    route: str
    log: int
    ours: int
    explained: str = ""


class Explanation(NamedTuple):
    """Why so many requests are in one of the two and not, or not so, in the other."""

    id: str
    requests: int
    text: str


class Report(NamedTuple):
    """The outcome. `sizes` holds the routes whose bytes differ."""

    rows: list[Row]
    sizes: list[Sizes]
    explanations: list[Explanation]

    @property
    def agrees(self) -> bool:
        """Tell whether nothing is left unexplained."""
        return not any(row.unexplained for row in self.rows) and all(size.explained for size in self.sizes)


Fits = Callable[[Key, Key], bool]


class _Residual:
    """What is more in the log (positive) or in our books (negative), by route and status, less what is explained."""

    def __init__(self, differences: dict[Key, int]) -> None:
        self.left = Counter({key: number for key, number in differences.items() if number})
        self.explanations: list[Explanation] = []

    def more_in_log(self) -> list[Key]:
        return sorted((key for key, number in self.left.items() if number > 0), key=_order)

    def more_in_ours(self) -> list[Key]:
        return sorted((key for key, number in self.left.items() if number < 0), key=_order)

    def pair(self, name: str, text: str, fits: Fits) -> None:
        """Explain requests of the log by as many that our books have under another name."""
        total = 0
        for log in self.more_in_log():
            for ours in self.more_in_ours():
                moved = min(self.left[log], -self.left[ours])
                if moved > 0 and fits(log, ours):
                    self.left[log] -= moved
                    self.left[ours] += moved
                    total += moved
        self._note(name, total, text)

    def explain(self, name: str, text: str, limit: Callable[[Key], int]) -> None:
        """Explain at most `limit(key)` requests that only the log has."""
        total = 0
        for key in self.more_in_log():
            taken = min(self.left[key], limit(key))
            self.left[key] -= taken
            total += taken
        self._note(name, total, text)

    def explain_ours(self, name: str, text: str, limit: int) -> None:
        """Explain at most `limit` requests in all that only our books have."""
        total = 0
        for key in self.more_in_ours():
            taken = min(-self.left[key], limit - total)
            self.left[key] += taken
            total += taken
        self._note(name, total, text)

    def _note(self, name: str, total: int, text: str) -> None:
        if total:
            self.explanations.append(Explanation(name, total, text))


def _order(key: Key) -> tuple[str, int]:
    return key[0], key[1] or 0


def reconcile(tally: Tally, before: Books, after: Books, overlaps: set[tuple[str, str]], edge: int = 0) -> Report:
    """Compare a log with our books.

    Args:
        tally: the log.
        before: our books from before the log was read.
        after: those from after it was read; the log may have as many as these, and has to have as many as the first.
        overlaps: pairs of routes one path of the log fits.
        edge: requests near the ends of the window that may belong on either side, where our books are not exact to the second.
    """
    keys = set(tally.counts) | set(after.counts)
    residual = _Residual({key: _difference(tally.counts[key], before.counts[key], after.counts[key]) for key in keys})  # type: ignore[index]
    _explain_names(residual, overlaps)
    _explain_proxy(residual, tally, before)
    _explain_rest(residual, tally, before, after, edge)
    rows = [
        Row(route, status, tally.counts[route, status], after.counts[route, status], residual.left[route, status])  # type: ignore[index]
        for route, status in sorted(keys, key=_order)
    ]
    return Report(rows, list(_compare_sizes(tally, before, after)), _left_out(tally) + residual.explanations)


def _difference(log: int, low: int, high: int) -> int:
    return log - high if log > high else min(log - low, 0)


def _left_out(tally: Tally) -> list[Explanation]:
    found = (
        ("ignored-path", tally.ignored, "have a path that is not recorded (ignore_paths, metrics_path)"),
        ("answered-by-proxy", tally.by_proxy, "were answered by nginx itself: its log has no upstream for them"),
        ("before-window", tally.before, "were written before our counting began"),
        ("after-window", tally.after, "were written after the end of the window"),
    )
    return [Explanation(name, number, text) for name, number, text in found if number]


def _explain_names(residual: _Residual, overlaps: set[tuple[str, str]]) -> None:
    def same_path(log: Key, ours: Key) -> bool:
        return log[1] == ours[1] and ((log[0], ours[0]) in overlaps or (ours[0], log[0]) in overlaps)

    def special(log: Key, ours: Key) -> bool:
        return log[1] == ours[1] and ours[0] in (STATIC, NOT_FOUND, UNKNOWN)

    residual.pair("same-path", "fit several routes; the framework chose another one of them", same_path)
    residual.pair("special-route", "are counted under (static), (not found) or (unknown)", special)
    text = "are counted under (other): there was no room for their routes (see `wsgiapm doctor`)"
    residual.pair("other-route", text, lambda _, ours: ours[0] == OTHER)


def _explain_proxy(residual: _Residual, tally: Tally, before: Books) -> None:
    residual.pair(
        "client-gone",
        "are 499 in the log: the client went away before nginx had the answer, the app gave one all the same",
        lambda log, ours: log[1] in _CLIENT_GONE and log[0] == ours[0],
    )
    residual.pair(
        "answered-too-late",
        "are 502 or 504 in the log: nginx gave up before the app answered",
        lambda log, ours: log[1] in _NO_ANSWER and log[0] == ours[0],
    )
    aborted = Counter(before.aborted)

    def died(key: Key) -> int:
        if key[1] not in _NO_ANSWER:
            return 0
        for route in (key[0], UNKNOWN):
            if aborted[route]:
                taken = min(aborted[route], residual.left[key])
                aborted[route] -= taken
                return taken
        return 0

    residual.explain("aborted", "were running when their worker died: we count them as aborted, with no status", died)
    if tally.of_nginx:
        text = "never reached the app: the client went away first (499), or nginx had no worker to ask (502, 503, 504)"
        residual.explain("not-asked", text, _any_of(residual, _CLIENT_GONE | _NO_ANSWER))
        text = (
            "were probably answered by nginx itself (redirects, 4xx); add $upstream_status to its log_format to be sure"
        )
        residual.explain("answered-by-nginx", text, _any_of(residual, _BY_NGINX))


def _any_of(residual: _Residual, statuses: frozenset[int]) -> Callable[[Key], int]:
    return lambda key: residual.left[key] if key[1] in statuses else 0


def _explain_rest(residual: _Residual, tally: Tally, before: Books, after: Books, edge: int) -> None:
    counted = {route for route, _ in after.counts}
    residual.explain(
        "health-check",
        "look like health checks that something in front of the middleware answers",
        lambda key: tally.health[key] if key[0] not in counted else 0,  # type: ignore[index]
    )
    if tally.before:
        text = "were written in the second in which our counting began"
        residual.explain("window-edge", text, lambda key: tally.at_start[key])  # type: ignore[index]
    if edge:
        text = "are near the ends of the window, where they may belong on either side"
        used = [edge]

        def near(key: Key) -> int:
            taken = min(used[0], residual.left[key])
            used[0] -= taken
            return taken

        residual.explain("window-edge", text, near)
        residual.explain_ours("window-edge", text, used[0])
    moving = sum(after.counts.values()) - sum(before.counts.values())
    if moving > 0:
        text = "ended while this was running; run it again when it is quiet for an exact answer"
        residual.explain_ours("in-flight", text, moving)


def _compare_sizes(tally: Tally, before: Books, after: Books) -> Iterator[Sizes]:
    """Give the routes whose bytes differ, where as many requests are in the log as in our books."""
    if tally.sizes is None or before.sizes is None or after.sizes is None:
        return
    log, low, high = _by_route(tally.counts), _by_route(before.counts), _by_route(after.counts)
    for route in sorted(log):
        if log[route] != high[route] or low[route] != high[route]:
            continue
        theirs, ours = tally.sizes[route], after.sizes[route]
        if theirs != ours:
            yield Sizes(route, theirs, ours, _why_sizes_differ(tally, after, route, theirs - ours))


def _by_route(counts: Mapping[Any, int]) -> Counter[str]:
    total: Counter[str] = Counter()
    for (route, _), number in counts.items():
        total[route] += number
    return total


def _why_sizes_differ(tally: Tally, after: Books, route: str, difference: int) -> str:
    if difference < 0 and after.disconnects[route]:
        return f"{after.disconnects[route]} clients went away before they had the whole answer"
    if tally.of_nginx:
        return "nginx compresses (gzip), or cut answers short, or let clients have what they had (304)"
    return ""
