# SPDX-License-Identifier: Apache-2.0
"""One verification: reads our books, the logs, and our books again, and reconciles them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from wsgiapm.access_log.books import Books, Server, read_directory
from wsgiapm.access_log.formats import Format
from wsgiapm.access_log.reading import read_lines, rotated_siblings
from wsgiapm.access_log.reconciliation import Report, reconcile
from wsgiapm.access_log.route_finder import RouteFinder
from wsgiapm.access_log.tally import Tally

# Of the server's points: they are made once in a harvest interval, and stand in slots of ten seconds.
_MARGIN = 60.0
_EDGE = 30.0


class Verification(NamedTuple):
    """What was compared, and the outcome."""

    tally: Tally
    books: Books
    report: Report
    hints: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return it in the documented shape."""
        tally, report = self.tally, self.report
        return {
            "agrees": report.agrees,
            "window": {"from": self.books.start, "to": self.books.end},
            "log": {
                "lines": tally.lines,
                "malformed": tally.malformed,
                "examples": tally.examples,
                "from": tally.first,
                "to": tally.last,
            },
            "routes": [row._asdict() for row in report.rows],
            "bytes": [size._asdict() for size in report.sizes],
            "bytes_compared": tally.sizes is not None and self.books.sizes is not None,
            "explanations": [explanation._asdict() for explanation in report.explanations],
            "ab": [{**varying._asdict(), "text": varying.explain()} for varying in tally.lengths.varying()],
            "hints": self.hints,
        }


def verify_directory(path: str, logs: Sequence[str], form: Format, ignored: Sequence[str]) -> Verification:
    """Compare logs with everything a shared directory has counted since it began."""
    before = read_directory(path)
    finder = RouteFinder(before.counts)
    tally = _tally(finder, ignored, (before.start, float("inf")), logs, form)
    after = read_directory(path)
    report = reconcile(tally, before, after, finder.overlaps)
    return Verification(tally, after, report, _hints(tally, after, report, logs))


def verify_server(
    server: Server, logs: Sequence[str], form: Format, ignored: Sequence[str], window: tuple[float, float] | None
) -> Verification:
    """Compare logs with what a server says of their time, or of `window` (epoch seconds)."""
    start, end = window or _span(logs, form)
    edges = 0
    if window is None and _is_quiet_around(server, start, end):
        before = server.read(start - _MARGIN / 2, end + _MARGIN / 2)
    else:
        before = server.read(start, end)
        edges = 1
    finder = RouteFinder(before.counts)
    tally = _tally(finder, ignored, (start, end), logs, form)
    if edges:
        edges = _count_edges(logs, form, start, end)
    report = reconcile(tally, before, before, finder.overlaps, edges)
    return Verification(tally, before, report, _hints(tally, before, report, logs))


def _tally(
    finder: RouteFinder, ignored: Sequence[str], window: tuple[float, float], logs: Sequence[str], form: Format
) -> Tally:
    tally = Tally(finder, ignored, window)
    for name in logs:
        tally.of_nginx = tally.of_nginx or "nginx" in name
        tally.add(read_lines(name), form)
    return tally


def _span(logs: Sequence[str], form: Format) -> tuple[float, float]:
    """Return the time of the first and of the last line."""
    first, last = float("inf"), 0.0
    for name in logs:
        for line in read_lines(name):
            entry = form.parse(line)
            if entry is not None and entry.time is not None:
                first, last = min(first, entry.time), max(last, entry.time)
    return (first, last) if last else (0.0, 0.0)


def _is_quiet_around(server: Server, start: float, end: float) -> bool:
    """Tell whether the app has counted nothing just before and after, so that the ends of the window are no question."""
    outer = server.requests(start - 2 * _MARGIN, end + 2 * _MARGIN)
    return outer == server.requests(start - _MARGIN / 2, end + _MARGIN / 2)


def _count_edges(logs: Sequence[str], form: Format, start: float, end: float) -> int:
    near = 0
    for name in logs:
        for line in read_lines(name):
            entry = form.parse(line)
            if entry is not None and entry.time is not None:
                near += abs(entry.time - start) <= _EDGE or abs(entry.time - end) <= _EDGE
    return near


def _hints(tally: Tally, books: Books, report: Report, logs: Sequence[str]) -> list[str]:
    hints = []
    if tally.malformed and tally.malformed * 2 > tally.lines:
        hints.append("most lines are of another format: give the server's own format string with --format")
    if report.agrees:
        return hints
    missing = sum(-row.unexplained for row in report.rows if row.unexplained < 0)
    if missing:
        if tally.first is None or tally.first > books.start + 1:
            others = [path for name in logs for path in rotated_siblings(name) if path not in logs]
            if others:
                hints.append(f"the log begins after our counting did: name its rotated files too: {' '.join(others)}")
        hints.append("our counters have more than the log: is it the log of all workers and instances of this app?")
    if any(row.unexplained > 0 for row in report.rows):
        hints.append(
            "the log has more than our counters: is it of this app alone, and does the middleware wrap everything that "
            "answers? If nginx wrote it, say --format nginx. `wsgiapm doctor` tells what makes data go missing"
        )
    return hints
