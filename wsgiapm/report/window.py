# SPDX-License-Identifier: Apache-2.0
"""Which tier answers for a window, and in which steps; pure.

Everything about one window is read from the same tier and the same rows, so the parts of a page agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wsgiapm.store.model import DAY, STEPS, Tier

MOST_POINTS = 240
_STEPS = (10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, DAY)


class Window(NamedTuple):
    """A window of time in epoch seconds: as asked for, and as read, [first, end) in slots of ``step`` seconds."""

    start: float
    stop: float
    first: int
    end: int
    step: int
    tier: int

    @property
    def slots(self) -> range:
        """Where each slot begins."""
        return range(self.first, self.end, self.step)

    @property
    def pieces(self) -> list[tuple[int, int, int]]:
        """The fewest rows that make up the whole: (tier, first, end), coarse in the middle and fine at the edges.

        All tiers hold the same, so the sum is that of the slots.
        """
        return self.cover(STEPS)

    def cover(self, steps: Sequence[int]) -> list[tuple[int, int, int]]:
        """Return the fewest rows of tiers whose ``steps`` ascend."""
        return _cover(self.first, self.end, [step for step in reversed(steps) if step >= self.tier])

    @property
    def minutes(self) -> float:
        """How long it is, as far as it was asked for."""
        return (min(self.end, self.stop) - self.first) / 60


def choose(start: float, stop: float, tiers: Sequence[Tier], now: float) -> Window:
    """Return the window for [start, stop], start before stop.

    Args:
        start: epoch seconds.
        stop: epoch seconds.
        tiers: of the store, from fine to coarse.
        now: epoch seconds.
    """
    finest = next((tier.step for tier in tiers if tier.keep >= now - start), tiers[-1].step)
    step = max(_nice_step((stop - start) / MOST_POINTS), finest)
    # The coarsest that fits has the fewest rows.
    tier = max(tier.step for tier in tiers if step % tier.step == 0)
    first = int(start) - int(start) % step
    # The slot that ``stop`` lies in is read as well, also if it begins just there: what happens now is in it.
    end = int(stop) - int(stop) % step + step
    return Window(start, stop, first, end, step, tier)


def _cover(first: int, end: int, steps: Sequence[int]) -> list[tuple[int, int, int]]:
    if first >= end:
        return []
    step, *finer = steps
    inner, outer = -(-first // step) * step, end // step * step
    if inner >= outer:
        return _cover(first, end, finer)
    return [*_cover(first, inner, finer), (step, inner, outer), *_cover(outer, end, finer)]


def _nice_step(least: float) -> int:
    for step in _STEPS:
        if step >= least:
            return step
    return int(-(-least // DAY)) * DAY
