# SPDX-License-Identifier: Apache-2.0
"""Medians, and how sure they are: 90 % bootstrap intervals with a fixed seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

_RESAMPLES = 2000


class Figure(NamedTuple):
    """A median and the 90 % interval it lies in."""

    median: float
    low: float
    high: float

    def show(self, digits: int = 2) -> str:
        return f"{self.median:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


def estimate(values: Sequence[float]) -> Figure:
    """Return the median of `values` and its interval."""
    chance = random.Random(0)  # the same figures give the same interval
    medians = sorted(median(chance.choices(values, k=len(values))) for _ in range(_RESAMPLES))
    return Figure(median(values), medians[_RESAMPLES // 20], medians[-_RESAMPLES // 20 - 1])


def differences(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return what each round of `ours` has more than the same round of `theirs`."""
    return [a - b for a, b in zip(ours, theirs, strict=True)]


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return how many times each round of `theirs` goes into the same round of `ours`."""
    return [a / b for a, b in zip(ours, theirs, strict=True)]
