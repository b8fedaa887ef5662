# SPDX-License-Identifier: Apache-2.0
"""Adds up, in a file in which nobody has done it yet, what all transactions have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsgiapm.store.model import STEPS, Series
from wsgiapm.store.series import TOGETHER, series_key, total_of

if TYPE_CHECKING:
    import sqlite3

_OLD = "SELECT app, id, metric, kind, unit, scope, attributes FROM series WHERE is_total = 0 AND scope <> ''"
_NEW = """
INSERT OR IGNORE INTO series (app, id, metric, kind, unit, scope, attributes, is_total) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_PARTS = "CREATE TEMP TABLE part (app INTEGER, series INTEGER, whole INTEGER, PRIMARY KEY (app, series)) WITHOUT ROWID"
# As doubles, as they are read: an absurd amount must not make the update impossible.
_VALUES = """
INSERT INTO metric_{step} (app, series, t, src, n, total, late)
SELECT m.app, whole, t, {together}, sum(n), sum(total * 1.0), sum(late * 1.0) FROM part JOIN metric_{step} m USING (app, series)
GROUP BY m.app, whole, t
"""
_CELLS = """
INSERT INTO hist_{step} (app, series, t, src, bucket, n)
SELECT h.app, whole, t, {together}, bucket, sum(n) FROM part JOIN hist_{step} h USING (app, series)
GROUP BY h.app, whole, t, bucket
"""


def build_totals(connection: sqlite3.Connection) -> None:
    """Write the totals of every series of a transaction into every tier; inside a transaction."""
    connection.execute(_PARTS)
    for app, key, *identity in connection.execute(_OLD).fetchall():
        total = total_of(Series(*identity))
        if total is not None:
            whole = series_key(total)
            connection.execute(_NEW, (app, whole, *total))
            connection.execute("INSERT INTO part VALUES (?, ?, ?)", (app, key, whole))
    for step in STEPS:
        connection.execute(_VALUES.format(step=step, together=TOGETHER))
        connection.execute(_CELLS.format(step=step, together=TOGETHER))
    connection.execute("DROP TABLE part")
