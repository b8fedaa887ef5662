# SPDX-License-Identifier: Apache-2.0
"""The reads. Their text runs unchanged on SQLite and on ClickHouse.

Rules that make it so: time is integer epoch seconds and a slot is ``t - t % :step``; group and order by alias, and no
alias is a column's name; sum, min, max and count only; every read aggregates; ``:name`` parameters.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from wsgiapm.store.model import NANOSECONDS, Amount, App, CellCount, Event, Note, Reporter, Sighting
from wsgiapm.store.packing import add_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from wsgiapm.store.model import Attributes, Cells, Selection

    Execute = Callable[[str, Mapping[str, Any]], Iterable[Any]]

_APPS = """
SELECT app.id, app.name, app.environment, seen.since, seen.until
FROM app JOIN (SELECT app AS owner, min(first_seen) AS since, max(last_seen) AS until FROM instance GROUP BY owner) seen
ON app.id = seen.owner ORDER BY app.name, app.environment
"""
_SIGHTINGS = "SELECT app, first_seen, last_seen FROM instance"
_REPORTERS = "SELECT id, uid, last_seen FROM instance WHERE app = :app"
_SERIES = "SELECT id, attributes FROM series WHERE app = :app AND metric = :metric"
_WHERE = """
WHERE app = :app AND t >= :start AND t < :end AND series IN (
    SELECT id FROM series WHERE app = :app AND metric = :metric
    AND (:each = 1 AND is_total = 0 OR :each = 0 AND scope = :scope))
"""
# As doubles: an absurd amount that somebody has sent must not make the sum overflow and the window unreadable.
_AMOUNTS = "sum(n) AS observations, sum(total * 1.0) AS amount, sum(late * 1.0) AS belated, max(last) AS latest"
_DETAILS = "series AS origin, sum(n) AS observations, sum(total * 1.0) AS amount"
_TEXTS = "SELECT id, min(content) AS statement FROM text WHERE app = :app GROUP BY id"
_NOTES = "SELECT operation, name, time_ns, attributes FROM note WHERE app = :app ORDER BY time_ns DESC, operation, name"
_CELLS = "bucket AS cell, sum(n) AS observations"
# Found by the index, and only then read: what an event carries may be long.
_EVENTS = """
SELECT id AS mark, min(time_ns) AS moment, min(name) AS title, min(severity) AS grade, min(message) AS sentence,
    min(instance) AS reporter, min(attributes) AS details
FROM event WHERE app = :app AND id IN (
    SELECT mark FROM (
        SELECT id AS mark, min(time_ns) AS moment FROM event
        WHERE app = :app AND time_ns >= :start AND time_ns < :end
        GROUP BY mark ORDER BY moment DESC, mark LIMIT :limit) newest)
GROUP BY mark ORDER BY moment DESC, mark
"""


class SqlReader:
    """A view of a database; made by a store's reading().

    Args:
        execute: runs a statement with ``:name`` parameters and yields its rows.
    """

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def apps(self) -> list[App]:
        """Return every app in every environment."""
        return [App(*row) for row in self._execute(_APPS, {})]

    def sightings(self) -> list[Sighting]:
        """Return when each instance was heard of."""
        return [Sighting(*row) for row in self._execute(_SIGHTINGS, {})]

    def reporters(self, app: int) -> dict[int, Reporter]:
        """Return the instances of an app."""
        return {key: Reporter(*row) for key, *row in self._execute(_REPORTERS, {"app": app})}

    def series(self, app: int, metric: str) -> dict[int, Attributes]:
        """Return the attributes of every series of a metric."""
        rows = self._execute(_SERIES, {"app": app, "metric": metric})
        return {key: json.loads(attributes) for key, attributes in rows}

    def amounts(self, selection: Selection, *, step: int, by_series: bool, by_instance: bool = False) -> list[Amount]:
        """Add up the values of a metric, by slots of ``step`` seconds and, if asked to, by series and instance."""
        columns = f"{_AMOUNTS}, {'src' if by_instance else '0'} AS reporter"
        group, statement = _statement("metric", columns, selection, step=step, by_series=by_series)
        rows = self._execute(f"{statement} GROUP BY {group}, reporter", _parameters(selection, step))
        return [Amount(*row) for row in rows]

    def cells(self, selection: Selection, *, step: int, by_series: bool) -> list[CellCount]:
        """Add up the histogram of a metric, by slots of ``step`` seconds and, if asked to, by series."""
        group, statement = _statement("hist", _CELLS, selection, step=step, by_series=by_series)
        rows = self._execute(f"{statement} GROUP BY {group}, cell", _parameters(selection, step))
        return [CellCount(*row) for row in rows]

    def details(self, selection: Selection) -> list[Amount]:
        """Add up the details of a metric by series."""
        statement = f"SELECT {_DETAILS} FROM detail_{selection.tier}{_WHERE} GROUP BY origin"
        rows = self._execute(statement, _parameters(selection, 0))
        return [Amount(0, series, n, total, 0, None) for series, n, total in rows]

    def detail_cells(self, selection: Selection) -> dict[int, Cells]:
        """Return the histogram of each series of details of a metric."""
        packed: defaultdict[int, list[bytes]] = defaultdict(list)
        statement = f"SELECT series AS origin, cells AS histogram FROM detail_{selection.tier}{_WHERE}"
        for series, cells in self._execute(statement, _parameters(selection, 0)):
            packed[series].append(cells)
        return {series: add_up(histograms) for series, histograms in packed.items()}

    def texts(self, app: int) -> dict[str, str]:
        """Return the texts of an app by what they are called in the attributes of series."""
        return dict(self._execute(_TEXTS, {"app": app}))

    def notes(self, app: int) -> list[Note]:
        """Return the notes on the operations of an app, the newest first."""
        return [Note(*row) for row in self._execute(_NOTES, {"app": app})]

    def events(self, app: int, *, start: int, end: int, limit: int) -> list[Event]:
        """Return the newest events of [start, end), newest first."""
        window = {"app": app, "start": start * NANOSECONDS, "end": end * NANOSECONDS, "limit": limit}
        return [Event(*row) for row in self._execute(_EVENTS, window)]


def _statement(table: str, columns: str, selection: Selection, *, step: int, by_series: bool) -> tuple[str, str]:
    slot = "t - t % :step AS slot" if step else ":step AS slot"
    origin = "series AS origin" if by_series else "0 AS origin"
    return "slot, origin", f"SELECT {slot}, {origin}, {columns} FROM {table}_{selection.tier}{_WHERE}"


def _parameters(selection: Selection, step: int) -> dict[str, Any]:
    return {
        "app": selection.app,
        "metric": selection.metric,
        "each": int(selection.each),
        "scope": selection.scope or "",
        "start": selection.start,
        "end": selection.end,
        "step": step,
    }
