# SPDX-License-Identifier: Apache-2.0
"""What a store is to the collector and the report, whichever database holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager

    from wsgiapm.store.model import (
        Amount,
        App,
        Attributes,
        CellCount,
        Cells,
        Detail,
        Event,
        Instance,
        Note,
        Reporter,
        Selection,
        Series,
        Sighting,
        Stream,
        Tier,
        Value,
    )


class Writer(Protocol):
    """One transaction: everything in it is kept, or nothing."""

    def app(self, name: str, environment: str) -> int | None:
        """Return the key of an app, made at first sight; None when the store takes no more apps."""

    def instance(self, app: int, uid: str, attributes: str, now: int) -> Instance | None:
        """Return an instance, noted as seen ``now`` (epoch s); None when the app may have no more instances."""

    def reported(self, app: int, instance: Instance) -> None:
        """Keep the times of the instance's last two reports."""

    def series(self, app: int, series: Series) -> int | None:
        """Return the key of a series, made at first sight; None when the app may have no more series."""

    def stream(self, app: int, series: int, instance: int) -> Stream | None:
        """Return the last point of a stream."""

    def advance(self, app: int, series: int, instance: int, stream: Stream) -> None:
        """Keep the last point of a stream."""

    def add_values(self, step: int, rows: Iterable[tuple[int, int, int, int, Value]]) -> None:
        """Add rows (app, series, t, instance, value) to the tier of ``step`` seconds."""

    def add_cells(self, step: int, rows: Iterable[tuple[int, int, int, int, int, int]]) -> None:
        """Add rows (app, series, t, instance, bucket, n) to the tier of ``step`` seconds."""

    def add_details(self, step: int, rows: Iterable[tuple[int, int, int, Detail]]) -> None:
        """Add rows (app, series, t, detail) to the tier of details of ``step`` seconds."""

    def add_texts(self, app: int, texts: Mapping[str, str]) -> None:
        """Keep texts by what they are called in the attributes of series."""

    def add_notes(self, app: int, notes: Iterable[Note]) -> None:
        """Keep the newest note of each name on each operation, and of all the app's notes only the newest."""

    def add_events(self, app: int, events: Iterable[Event]) -> None:
        """Keep events, each once, and of all the app's events only the newest."""


class Reader(Protocol):
    """One consistent view. Windows are [start, end) in epoch seconds; ``step`` 0 makes the window one slot."""

    def apps(self) -> list[App]:
        """Return every app in every environment."""

    def sightings(self) -> list[Sighting]:
        """Return when each instance was heard of."""

    def series(self, app: int, metric: str) -> dict[int, Attributes]:
        """Return the attributes of every series of a metric."""

    def reporters(self, app: int) -> dict[int, Reporter]:
        """Return the instances of an app."""

    def amounts(self, selection: Selection, *, step: int, by_series: bool, by_instance: bool = False) -> list[Amount]:
        """Add up the values of a metric, by slots of ``step`` seconds and, if asked to, by series and instance."""

    def cells(self, selection: Selection, *, step: int, by_series: bool) -> list[CellCount]:
        """Add up the histogram of a metric, by slots of ``step`` seconds and, if asked to, by series."""

    def details(self, selection: Selection) -> list[Amount]:
        """Add up the details of a metric by series; ``selection.tier`` is one of theirs."""

    def detail_cells(self, selection: Selection) -> dict[int, Cells]:
        """Return the histogram of each series of details of a metric."""

    def texts(self, app: int) -> dict[str, str]:
        """Return the texts of an app by what they are called in the attributes of series."""

    def notes(self, app: int) -> list[Note]:
        """Return the notes on the operations of an app, the newest first."""

    def events(self, app: int, *, start: int, end: int, limit: int) -> list[Event]:
        """Return the newest events of [start, end), newest first."""


class Store(Protocol):
    """A database of metrics. Any thread may call any method."""

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The tiers, from fine to coarse."""

    @property
    def detail_tiers(self) -> tuple[Tier, ...]:
        """The tiers of details, from fine to coarse."""

    def writing(self) -> AbstractContextManager[Writer]:
        """Return a transaction; it commits at the end of the with block, or raises StoreError and keeps nothing."""

    def reading(self) -> AbstractContextManager[Reader]:
        """Return a view that later writes do not change."""

    def expire(self, now: int) -> int:
        """Delete what is older than its tier keeps it; return the number of deleted rows."""

    def close(self) -> None:
        """Give back files and locks."""
