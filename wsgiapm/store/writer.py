# SPDX-License-Identifier: Apache-2.0
"""The SQLite side of a write transaction."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wsgiapm.store.model import Instance, Stream
from wsgiapm.store.series import series_key

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from wsgiapm.store.model import Detail, Event, Note, Series, Value

# What one token holder can make the store remember.
MAX_APPS = 1000
MAX_INSTANCES = 10_000
MAX_SERIES = 50_000
MAX_EVENTS = 10_000
MAX_NOTES = 10_000

_ADD_VALUE = """
INSERT INTO metric_{step} (app, series, t, src, n, total, late, low, high, last) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (app, series, t, src) DO UPDATE SET
    n = n + excluded.n, total = total + excluded.total, late = late + excluded.late,
    low = min(low, excluded.low), high = max(high, excluded.high), last = excluded.last
"""
_ADD_CELL = """
INSERT INTO hist_{step} (app, series, t, src, bucket, n) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (app, series, t, src, bucket) DO UPDATE SET n = n + excluded.n
"""
_ADD_EVENT = """
INSERT OR IGNORE INTO event (app, id, time_ns, name, severity, message, instance, attributes)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_DROP_OLDEST_EVENTS = """
DELETE FROM event WHERE app = :app AND id IN (
    SELECT id FROM event WHERE app = :app ORDER BY time_ns DESC, id LIMIT -1 OFFSET :room)
"""
_ADD_DETAIL = """
INSERT INTO detail_{step} (app, series, t, n, total, cells) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (app, series, t) DO UPDATE SET n = n + excluded.n, total = total + excluded.total,
    cells = CASE WHEN excluded.cells = x'' THEN cells ELSE add_packed(cells, excluded.cells) END
"""
_ADD_NOTE = """
INSERT INTO note (app, operation, name, time_ns, attributes) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (app, operation, name) DO UPDATE SET time_ns = excluded.time_ns, attributes = excluded.attributes
WHERE excluded.time_ns > time_ns
"""
_DROP_OLDEST_NOTES = """
DELETE FROM note WHERE app = :app AND (operation, name) IN (
    SELECT operation, name FROM note WHERE app = :app ORDER BY time_ns DESC, operation, name LIMIT -1 OFFSET :room)
"""


class SqliteWriter:
    """One write transaction; made by SqliteStore.writing."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute
        self._executemany = connection.executemany
        self._known: set[tuple[int, int]] = set()
        self._room: dict[int, int] = {}

    def app(self, name: str, environment: str) -> int | None:
        """Return the key of an app, made at first sight; None when there are MAX_APPS."""
        row = self._execute("SELECT id FROM app WHERE name = ? AND environment = ?", (name, environment)).fetchone()
        if row is not None:
            return int(row[0])
        if self._count("SELECT count(*) FROM app") >= MAX_APPS:
            return None
        return self._execute("INSERT INTO app (name, environment) VALUES (?, ?)", (name, environment)).lastrowid

    def instance(self, app: int, uid: str, attributes: str, now: int) -> Instance | None:
        """Return an instance, noted as seen ``now`` (epoch s); None when the app has MAX_INSTANCES."""
        find = "SELECT id, report_ns, before_ns FROM instance WHERE app = ? AND uid = ?"
        row = self._execute(find, (app, uid)).fetchone()
        if row is not None:
            note = "UPDATE instance SET last_seen = max(last_seen, ?), attributes = ? WHERE id = ?"
            self._execute(note, (now, attributes, row[0]))
            return Instance(*row)
        if self._count("SELECT count(*) FROM instance WHERE app = ?", app) >= MAX_INSTANCES:
            return None
        cursor = self._execute(
            "INSERT INTO instance (app, uid, attributes, first_seen, last_seen, report_ns, before_ns)"
            " VALUES (?, ?, ?, ?, ?, 0, 0)",
            (app, uid, attributes, now, now),
        )
        return Instance(cursor.lastrowid or 0, 0, 0)

    def reported(self, app: int, instance: Instance) -> None:
        """Keep the times of the instance's last two reports."""
        statement = "UPDATE instance SET report_ns = ?, before_ns = ? WHERE app = ? AND id = ?"
        self._execute(statement, (instance.report_ns, instance.before_ns, app, instance.id))

    def series(self, app: int, series: Series) -> int | None:
        """Return the key of a series, made at first sight; None when the app has MAX_SERIES."""
        key = series_key(series)
        if (app, key) in self._known:
            return key
        if self._execute("SELECT 1 FROM series WHERE app = ? AND id = ?", (app, key)).fetchone() is None:
            if app not in self._room:
                self._room[app] = MAX_SERIES - self._count("SELECT count(*) FROM series WHERE app = ?", app)
            if self._room[app] <= 0:
                return None
            self._room[app] -= 1
            statement = (
                "INSERT INTO series (app, id, metric, kind, unit, scope, attributes, is_total)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            )
            self._execute(statement, (app, key, *series))
        self._known.add((app, key))
        return key

    def stream(self, app: int, series: int, instance: int) -> Stream | None:
        """Return the last point of a stream."""
        find = "SELECT start_ns, time_ns, n, total, cells FROM stream WHERE app = ? AND series = ? AND instance = ?"
        row = self._execute(find, (app, series, instance)).fetchone()
        if row is None:
            return None
        start_ns, time_ns, n, total, cells = row
        flat = json.loads(cells)
        return Stream(start_ns, time_ns, n, total, dict(zip(flat[::2], flat[1::2], strict=True)))

    def advance(self, app: int, series: int, instance: int, stream: Stream) -> None:
        """Keep the last point of a stream."""
        flat = [number for cell in stream.cells.items() for number in cell]
        self._execute(
            "INSERT OR REPLACE INTO stream (app, series, instance, start_ns, time_ns, n, total, cells)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (app, series, instance, *stream[:4], json.dumps(flat, separators=(",", ":"))),
        )

    def add_values(self, step: int, rows: Iterable[tuple[int, int, int, int, Value]]) -> None:
        """Add rows (app, series, t, instance, value) to the tier of ``step`` seconds."""
        self._executemany(_ADD_VALUE.format(step=step), ((*row[:4], *row[4]) for row in rows))

    def add_cells(self, step: int, rows: Iterable[tuple[int, int, int, int, int, int]]) -> None:
        """Add rows (app, series, t, instance, bucket, n) to the tier of ``step`` seconds."""
        self._executemany(_ADD_CELL.format(step=step), rows)

    def add_details(self, step: int, rows: Iterable[tuple[int, int, int, Detail]]) -> None:
        """Add rows (app, series, t, detail) to the tier of details of ``step`` seconds."""
        self._executemany(_ADD_DETAIL.format(step=step), ((*row[:3], *row[3]) for row in rows))

    def add_texts(self, app: int, texts: Mapping[str, str]) -> None:
        """Keep texts by what they are called in the attributes of series."""
        rows = ((app, *item) for item in texts.items())
        self._executemany("INSERT OR IGNORE INTO text (app, id, content) VALUES (?, ?, ?)", rows)

    def add_notes(self, app: int, notes: Iterable[Note]) -> None:
        """Keep the newest note of each name on each operation, and of all the app's notes only the newest MAX_NOTES."""
        self._executemany(_ADD_NOTE, ((app, *note) for note in notes))
        self._execute(_DROP_OLDEST_NOTES, {"app": app, "room": MAX_NOTES})

    def add_events(self, app: int, events: Iterable[Event]) -> None:
        """Keep events, each once, and of all the app's events only the newest MAX_EVENTS."""
        self._executemany(_ADD_EVENT, ((app, *event) for event in events))
        self._execute(_DROP_OLDEST_EVENTS, {"app": app, "room": MAX_EVENTS})

    def _count(self, statement: str, *parameters: int) -> int:
        (number,) = self._execute(statement, parameters).fetchone()
        return int(number)
