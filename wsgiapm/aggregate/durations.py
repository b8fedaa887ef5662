# SPDX-License-Identifier: Apache-2.0
"""Durations of one kind, counted in a histogram series of this process's segment."""

from __future__ import annotations

from bisect import bisect_left

from wsgiapm.aggregate.catalogue import Series
from wsgiapm.aggregate.index import IndexFullError
from wsgiapm.aggregate.instance import Instance
from wsgiapm.aggregate.snapshot import Attributes


class Durations:
    """One histogram. What cannot be counted because the index is busy or full is left out: it is no transaction."""

    def __init__(self, instance: Instance, metric: str, attributes: Attributes) -> None:
        """Nothing is entered into the index before the first duration."""
        self._instance = instance
        self._key = metric, attributes
        self._series: Series | None = None

    def record(self, duration: int) -> None:
        """Count one duration in nanoseconds."""
        instance = self._instance
        cell = bisect_left(instance.table.uppers, duration)
        octave = instance.table.octaves[cell]
        series = self._series
        position = 0 if series is None else series.blocks_of(instance.table_number)[octave]
        if not position or position + cell >= len(instance.segment.cells):
            series = self._prepare(octave)
            if series is None:
                return
            position = series.blocks_of(instance.table_number)[octave]
        assert series is not None
        head, position = series.head, position + cell
        cells = instance.segment.cells
        cells[head] += duration
        cells[position] += 1

    def _prepare(self, octave: int) -> Series | None:
        """Return the series with the cells of this octave; None when they cannot be had now."""
        try:
            series = self._instance.series(*self._key)
            if series is None or not self._instance.add_block(series, octave):
                return None
        except (IndexFullError, OSError):
            position = self._instance.dropped.get("budget")
            if position is not None:
                self._instance.cells[position] += 1
            return None
        self._series = series
        return series
