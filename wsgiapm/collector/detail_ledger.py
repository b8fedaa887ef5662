# SPDX-License-Identifier: Apache-2.0
"""Collects what a request adds to the details, and writes it in few statements.

Instances are added up: nobody asks for a statement's times by instance, and there may be thousands of statements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsgiapm.collector.ledger import FLUSH_AT
from wsgiapm.store.model import CALLER_CALLS, CALLER_TIME, Detail, Series
from wsgiapm.store.packing import pack

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wsgiapm.collector.spreading import Part
    from wsgiapm.store.model import Cells, Tier
    from wsgiapm.store.protocol import Writer


def account_of(series: Series) -> Series:
    """Return the series a point of details is booked on: how often somebody called and how long it took go together."""
    return series._replace(metric=CALLER_TIME, unit="s") if series.metric == CALLER_CALLS else series


class DetailLedger:
    """What is to be added, by tier. The same parts go into every tier, so tiers cannot disagree.

    Args:
        writer: the transaction.
        tiers: of the store's details.
        now: epoch seconds; what a tier no longer keeps is not written to it.
    """

    def __init__(self, writer: Writer, tiers: Sequence[Tier], now: int) -> None:
        self._writer = writer
        self._tiers = [(tier.step, now - tier.keep - tier.step) for tier in tiers]
        self._rows: dict[int, dict[tuple[int, int, int], _Row]] = {tier.step: {} for tier in tiers}

    def add(self, app: int, key: int, series: Series, parts: Iterable[Part]) -> None:
        """Add the parts of a difference of ``series``, whose account has the key ``key``."""
        counted = series.metric == CALLER_CALLS
        for part in parts:
            n, total = (int(part.total), 0) if counted else (part.n, part.total)
            for step, oldest in self._tiers:
                if part.t > oldest:
                    place = (app, key, part.t - part.t % step)
                    self._rows[step].setdefault(place, _Row()).add(n, total, part.cells)
        if sum(map(len, self._rows.values())) >= FLUSH_AT:
            self.flush()

    def flush(self) -> None:
        """Write what was collected."""
        for step, rows in self._rows.items():
            self._writer.add_details(step, [(*place, row.detail()) for place, row in rows.items()])
            rows.clear()


class _Row:
    """A row while it grows."""

    __slots__ = ("_cells", "_n", "_total")

    def __init__(self) -> None:
        self._n = 0
        self._total: float = 0
        self._cells: Cells = {}

    def add(self, n: int, total: float, cells: Cells) -> None:
        self._n += n
        self._total += total
        for bucket, count in cells.items():
            self._cells[bucket] = self._cells.get(bucket, 0) + count

    def detail(self) -> Detail:
        return Detail(self._n, self._total, pack(self._cells))
