# SPDX-License-Identifier: Apache-2.0
"""Telling of calls that could not be counted."""

from __future__ import annotations

import sys
from typing import Any, cast

from wsgiapm.aggregate.instance import Instance
from wsgiapm.drops import Drops


class _Busy:
    """An instance whose index somebody writes and does not move on, stopped perhaps, until it is let go of."""

    def __init__(self) -> None:
        self.index: Any = self
        self.examples: list[tuple[str, str]] = []
        self.cells = [0]
        self.found: Any = None

    def add_example(self, reason: str, name: str) -> None:
        """Keep it."""
        self.examples.append((reason, name))

    def series(self, _metric: str, _attributes: object) -> Any:
        """None as long as it is busy."""
        return self.found


def test_what_waits_for_a_busy_index_is_bounded() -> None:
    """However long that lasts, and however much is called meanwhile."""
    busy = _Busy()
    drops = Drops(cast("Instance", busy), "operation")
    for _ in range(150_000):
        drops.note("busy", "SELECT walks")

    assert sys.getsizeof(drops._waiting) < 1_000_000
    assert len(busy.examples) <= 4
