# SPDX-License-Identifier: Apache-2.0
"""Spreads what happened at unknown moments of a span evenly over it; pure, and exact: parts add up to the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from wsgiapm.store.model import NANOSECONDS, STEPS

if TYPE_CHECKING:
    from wsgiapm.collector.difference import Difference
    from wsgiapm.store.model import Cells

MOST_SLOTS = 60
_SLOT_NS = STEPS[0] * NANOSECONDS


class Part(NamedTuple):
    """A share of a difference, at ``t`` (epoch seconds)."""

    t: int
    n: int
    total: float
    cells: Cells


def spread(difference: Difference, seed: int) -> list[Part]:
    """Return the parts of a difference; empty ones are left out.

    Args:
        difference: what to spread.
        seed: of the series; lets what cannot be divided fall elsewhere for each, not all into the same slot.
    """
    span = difference.until_ns - difference.since_ns
    slots = min(MOST_SLOTS, max(1, -(-span // _SLOT_NS)))
    times = [(difference.since_ns + span * (2 * slot + 1) // (2 * slots)) // NANOSECONDS for slot in range(slots)]
    columns: list[Cells] = [{} for _ in range(slots)]
    phase = seed % slots
    for bucket, count in difference.cells.items():
        for column, share in zip(columns, _shares(count, slots, phase), strict=True):
            if share:
                column[bucket] = share
        phase = (phase + count) % slots
    counts = [sum(column.values()) for column in columns]
    totals = _divide(difference.total, counts if difference.n else [1] * slots, seed % slots)
    parts = (Part(*part) for part in zip(times, counts, totals, columns, strict=True))
    return [part for part in parts if part.n or part.total]


def _shares(count: int, slots: int, phase: int) -> list[int]:
    """Divide a count: shares differ by one at most, and ``phase`` (less than slots) moves the larger ones."""
    return [(count * (slot + 1) + phase) // slots - (count * slot + phase) // slots for slot in range(slots)]


def _divide(total: float, weights: list[int], phase: int) -> list[float]:
    """Divide an amount by integer weights; whole numbers stay whole."""
    whole = sum(weights)
    if isinstance(total, int) and whole == len(weights) and max(weights) == 1:
        return list(_shares(total, len(weights), phase))
    parts: list[float] = []
    given: float = 0
    passed = 0
    for weight in weights:
        passed += weight
        target = total * passed // whole if isinstance(total, int) else total * (passed / whole)
        parts.append(target - given)
        given = target
    return parts
