# SPDX-License-Identifier: Apache-2.0
"""Retention: deletes what has outlived its tier, in pieces small enough that no report waits for it."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from wsgiapm.store.model import DETAILED, NANOSECONDS, STATEMENT_DURATION
from wsgiapm.store.series import OPERATION, TEXT

if TYPE_CHECKING:
    import sqlite3
    import threading
    from collections.abc import Callable, Sequence

    from wsgiapm.store.model import Tier

    Key = tuple[int, int]

_SILENT = "{} FROM instance WHERE last_seen < ? AND report_ns < ?"
_SERIES_PER_PIECE = 100
_PAGES_PER_PIECE = 500
_MOST_VACUUM_PIECES = 200


def expire(
    connection: sqlite3.Connection, lock: threading.Lock, tiers: Sequence[Tier], detail_tiers: Sequence[Tier], now: int
) -> int:
    """Delete old rows, the streams of instances that have long been silent, and series of which nothing is left.

    Args:
        connection: the writer's.
        lock: the writer's; taken for each piece anew.
        tiers: how long each keeps, from fine to coarse; the last one's is the longest.
        detail_tiers: the same for details.
        now: epoch seconds.

    Returns:
        the number of deleted rows.
    """
    pieces = _Pieces(connection, lock)
    # A stream's position must outlive every row that was booked from it, or the whole sum would be booked again.
    horizon = now - tiers[-1].keep
    with lock:
        kept = connection.execute("SELECT app, id, metric FROM series").fetchall()
        silent = [row[0] for row in connection.execute(_SILENT.format("SELECT id"), _silent_since(horizon))]
    deleted = 0
    detailed = [(app, series) for app, series, metric in kept if metric in DETAILED]
    others = [(app, series) for app, series, metric in kept if metric not in DETAILED]
    for keys, own_tiers, tables in ((others, tiers, ("metric", "hist")), (detailed, detail_tiers, ("detail",))):
        for start in range(0, len(keys), _SERIES_PER_PIECE):
            piece = keys[start : start + _SERIES_PER_PIECE]
            for tier in own_tiers:
                deleted += pieces.run(partial(_delete_rows, connection, tables, piece, tier, now - tier.keep))
            deleted += pieces.run(partial(_delete_streams, connection, piece, silent)) if silent else 0
            deleted += pieces.run(partial(_delete_series, connection, piece, f"{tables[0]}_{own_tiers[-1].step}"))
    deleted += pieces.run(partial(_delete_what_is_said_of_nothing, connection, horizon))
    deleted += pieces.run(partial(_delete_events, connection, horizon))
    deleted += pieces.run(partial(_delete_instances, connection, horizon))
    if deleted:
        _vacuum(connection, lock)
    return deleted


def _silent_since(horizon: int) -> tuple[int, int]:
    return horizon, horizon * NANOSECONDS


class _Pieces:
    """Runs each piece of work in a transaction of its own."""

    def __init__(self, connection: sqlite3.Connection, lock: threading.Lock) -> None:
        self._connection = connection
        self._lock = lock

    def run(self, work: Callable[[], int]) -> int:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                deleted = work()
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            return deleted


def _delete_rows(
    connection: sqlite3.Connection, tables: Sequence[str], keys: Sequence[Key], tier: Tier, cutoff: int
) -> int:
    # A row is old when the last second it stands for is.
    rows = [(*key, cutoff - tier.step) for key in keys]
    deleted = 0
    for table in tables:
        statement = f"DELETE FROM {table}_{tier.step} WHERE app = ? AND series = ? AND t <= ?"
        deleted += connection.executemany(statement, rows).rowcount
    return deleted


def _delete_streams(connection: sqlite3.Connection, keys: Sequence[Key], silent: Sequence[int]) -> int:
    statement = "DELETE FROM stream WHERE app = ? AND series = ? AND instance = ?"
    return connection.executemany(statement, [(*key, instance) for key in keys for instance in silent]).rowcount


def _delete_series(connection: sqlite3.Connection, keys: Sequence[Key], coarsest: str) -> int:
    statement = (
        "DELETE FROM series WHERE app = :app AND id = :id"
        " AND NOT EXISTS (SELECT 1 FROM stream WHERE app = :app AND series = :id)"
        f" AND NOT EXISTS (SELECT 1 FROM {coarsest} WHERE app = :app AND series = :id)"
    )
    return connection.executemany(statement, [{"app": app, "id": series} for app, series in keys]).rowcount


def _delete_what_is_said_of_nothing(connection: sqlite3.Connection, horizon: int) -> int:
    """Delete texts that no series has, and old notes on operations that no series is of."""
    texts, operations = set(), set()
    statement = "SELECT app, attributes FROM series WHERE metric = ?"
    for app, attributes in connection.execute(statement, (STATEMENT_DURATION,)):
        known = json.loads(attributes)
        texts.add((app, known.get(TEXT)))
        operations.add((app, known.get(OPERATION)))
    unused = [key for key in connection.execute("SELECT app, id FROM text").fetchall() if key not in texts]
    deleted = connection.executemany("DELETE FROM text WHERE app = ? AND id = ?", unused).rowcount if unused else 0
    notes = connection.execute("SELECT app, operation FROM note WHERE time_ns < ?", (horizon * NANOSECONDS,)).fetchall()
    idle = [(*key, horizon * NANOSECONDS) for key in set(notes) - operations]
    delete = "DELETE FROM note WHERE app = ? AND operation = ? AND time_ns < ?"
    return deleted + (connection.executemany(delete, idle).rowcount if idle else 0)


def _delete_events(connection: sqlite3.Connection, horizon: int) -> int:
    # By app, so that the index is used.
    statement = "DELETE FROM event WHERE app IN (SELECT id FROM app) AND time_ns < ?"
    return connection.execute(statement, (horizon * NANOSECONDS,)).rowcount


def _delete_instances(connection: sqlite3.Connection, horizon: int) -> int:
    deleted = connection.execute(_SILENT.format("DELETE"), _silent_since(horizon)).rowcount
    left = " AND ".join(f"id NOT IN (SELECT app FROM {table})" for table in ("instance", "series", "event", "note"))
    return deleted + connection.execute(f"DELETE FROM app WHERE {left}").rowcount


def _vacuum(connection: sqlite3.Connection, lock: threading.Lock) -> None:
    """Give free pages back to the file system."""
    for _ in range(_MOST_VACUUM_PIECES):
        with lock:
            (free,) = connection.execute("PRAGMA freelist_count").fetchone()
            if not free:
                return
            connection.execute(f"PRAGMA incremental_vacuum({_PAGES_PER_PIECE})").fetchall()
