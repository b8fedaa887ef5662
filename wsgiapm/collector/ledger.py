# SPDX-License-Identifier: Apache-2.0
"""Collects what a request adds to each tier and writes it in few statements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsgiapm.store.model import Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsgiapm.collector.spreading import Part
    from wsgiapm.store.model import Tier
    from wsgiapm.store.protocol import Writer

    # App, series and instance.
    Account = tuple[int, int, int]
    Place = tuple[int, int, int, int]

FLUSH_AT = 20_000


class Ledger:
    """What is to be added, by tier. The same parts go into every tier, so tiers cannot disagree.

    Args:
        writer: the transaction.
        tiers: of the store.
        now: epoch seconds; what a tier no longer keeps is not written to it.
    """

    def __init__(self, writer: Writer, tiers: Sequence[Tier], now: int) -> None:
        self._writer = writer
        self._tiers = [(tier.step, now - tier.keep - tier.step) for tier in tiers]
        self._values: dict[int, dict[Place, Value]] = {tier.step: {} for tier in tiers}
        self._cells: dict[int, dict[tuple[int, ...], int]] = {tier.step: {} for tier in tiers}
        self._size = 0

    def add(self, account: Account, part: Part, *, late: bool) -> None:
        """Add a part of a sum or a histogram."""
        app, series, instance = account
        value = Value(part.n, part.total, (part.n or part.total) if late else 0)
        for step, t in self._slots(part.t):
            self._add_value(step, (app, series, t, instance), value)
            cells = self._cells[step]
            for bucket, count in part.cells.items():
                place = (app, series, t, instance, bucket)
                cells[place] = cells.get(place, 0) + count
        self._grown(1 + len(part.cells))

    def note(self, account: Account, t: int, value: float) -> None:
        """Add the value of a gauge at ``t``."""
        app, series, instance = account
        for step, slot in self._slots(t):
            self._add_value(step, (app, series, slot, instance), Value(1, value, 0, value, value, value))
        self._grown(1)

    def flush(self) -> None:
        """Write what was collected."""
        for step, values in self._values.items():
            self._writer.add_values(step, [(*place, value) for place, value in values.items()])
            values.clear()
        for step, cells in self._cells.items():
            rows = [(place[0], place[1], place[2], place[3], place[4], count) for place, count in cells.items()]
            self._writer.add_cells(step, rows)
            cells.clear()
        self._size = 0

    def _slots(self, t: int) -> list[tuple[int, int]]:
        return [(step, t - t % step) for step, oldest in self._tiers if t > oldest]

    def _add_value(self, step: int, place: Place, value: Value) -> None:
        values = self._values[step]
        known = values.get(place)
        values[place] = value if known is None else _merge(known, value)

    def _grown(self, by: int) -> None:
        self._size += by
        if self._size >= FLUSH_AT:
            self.flush()


def _merge(one: Value, other: Value) -> Value:
    n, total, late = one.n + other.n, one.total + other.total, one.late + other.late
    if one.low is None or other.low is None or one.high is None or other.high is None:
        return Value(n, total, late)
    return Value(n, total, late, min(one.low, other.low), max(one.high, other.high), other.last)
