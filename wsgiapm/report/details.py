# SPDX-License-Identifier: Apache-2.0
"""Reads the details of an app within a window: its statements, who called them, and what was last said about them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from wsgiapm.report.window import Window
from wsgiapm.store.model import DETAIL_STEPS, Amount, App, Attributes, Cells, Note, Selection
from wsgiapm.store.protocol import Reader


class Details(NamedTuple):
    """The details of an app, once for each environment, within a window."""

    reader: Reader
    apps: list[App]
    window: Window

    def amounts(self, metric: str) -> Iterator[tuple[Attributes, Amount]]:
        """Yield the sums of a metric with the attributes of their series; those of one series may be in several."""
        for app, selections in self._selections(metric):
            attributes = self.reader.series(app.id, metric)
            for selection in selections:
                for amount in self.reader.details(selection):
                    yield attributes[amount.series], amount

    def cells(self, metric: str) -> Iterator[tuple[Attributes, Cells]]:
        """Yield the histograms of a metric with the attributes of their series; those of one series may be in several."""
        for app, selections in self._selections(metric):
            attributes = self.reader.series(app.id, metric)
            for selection in selections:
                for series, cells in self.reader.detail_cells(selection).items():
                    yield attributes[series], cells

    def texts(self) -> dict[str, str]:
        """Return the statements by what stands for them in the attributes of series."""
        return {digest: text for app in self.apps for digest, text in self.reader.texts(app.id).items()}

    def notes(self) -> dict[str, list[Note]]:
        """Return what was last said about each operation, the newest first; it need not have been in the window."""
        notes: dict[str, list[Note]] = {}
        for note in sorted(
            (note for app in self.apps for note in self.reader.notes(app.id)), key=lambda it: -it.time_ns
        ):
            notes.setdefault(note.operation, []).append(note)
        return notes

    def _selections(self, metric: str) -> Iterator[tuple[App, list[Selection]]]:
        for app in self.apps:
            pieces = self.window.cover(DETAIL_STEPS)
            yield app, [Selection(app.id, metric, None, *piece, each=True) for piece in pieces]
