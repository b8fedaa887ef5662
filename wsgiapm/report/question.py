# SPDX-License-Identifier: Apache-2.0
"""What a reader of the API asks: parameters, checked, and the view of the store that answers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import NamedTuple

import falcon

from wsgiapm.report.details import Details
from wsgiapm.report.window import Window, choose
from wsgiapm.store.model import STEPS, Amount, App, Attributes, CellCount, Reporter, Selection, Tier
from wsgiapm.store.protocol import Reader

DEFAULT_WINDOW_S = 1800
LARGEST_LIMIT = 1000
# The year 3000: whoever asks for more has sent milliseconds.
_LATEST = 32_503_680_000


class Question(NamedTuple):
    """A request to the API; ``tiers`` are those of the store, ``detail_tiers`` those of its details."""

    parameters: Mapping[str, str]
    reader: Reader
    tiers: tuple[Tier, ...]
    detail_tiers: tuple[Tier, ...]
    now: float

    def window(self) -> Window:
        """Return the window asked for; the last 30 minutes by default.

        Raises:
            HTTPBadRequest: ``from`` or ``to`` is no time, or they are the wrong way round.
        """
        return self._window(self.tiers)

    def _window(self, tiers: tuple[Tier, ...]) -> Window:
        stop = self._time("to", self.now)
        start = self._time("from", stop - DEFAULT_WINDOW_S)
        if start >= stop:
            raise bad_parameter("from", f"{start:g} is not before to ({stop:g})")
        return choose(start, stop, tiers, self.now)

    def apps(self) -> list[App]:
        """Return the app asked for, once for each environment asked for.

        Raises:
            HTTPBadRequest: no app is named and there is not exactly one.
            HTTPNotFound: there is no such app or environment; the message lists those there are.
        """
        known = self.reader.apps()
        names = sorted({app.name for app in known})
        name = self.parameters.get("app") or (names[0] if len(names) == 1 else None)
        if name is None:
            raise bad_parameter("app", f"is missing; {_listed('apps', names)}")
        chosen = [app for app in known if app.name == name]
        if not chosen:
            raise falcon.HTTPNotFound(description=f"app: {name!r} has not reported here; {_listed('apps', names)}")
        environment = self.parameters.get("environment")
        if environment is None:
            return chosen
        matching = [app for app in chosen if app.environment == environment]
        if not matching:
            environments = [app.environment for app in chosen]
            raise falcon.HTTPNotFound(
                description=f"environment: {name!r} has not reported from {environment!r};"
                f" {_listed('environments', environments)}"
            )
        return matching

    def source(self) -> Source:
        """Return where the figures of the app and window asked for come from."""
        return Source(self.reader, self.apps(), self.window(), self.parameters.get("transaction"))

    def details(self) -> Details:
        """Return where the details of the app and window asked for come from."""
        # Days only fill the middle of a window: it begins and ends where the other tiers can.
        tiers = tuple(tier for tier in self.detail_tiers if tier.step in STEPS)
        return Details(self.reader, self.apps(), self._window(tiers))

    def limit(self, default: int) -> int:
        """Return how many entries are asked for.

        Raises:
            HTTPBadRequest: ``limit`` is no whole number from 1 to LARGEST_LIMIT.
        """
        text = self.parameters.get("limit", str(default))
        # A number of a thousand digits is none that int() should see.
        limit = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
        if not 1 <= limit <= LARGEST_LIMIT:
            raise bad_parameter("limit", f"{text!r} is not a whole number from 1 to {LARGEST_LIMIT}")
        return limit

    def _time(self, name: str, default: float) -> float:
        text = self.parameters.get(name)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value <= _LATEST:
            raise bad_parameter(name, f"{text!r} is not a time in epoch seconds")
        return value


class Source:
    """Reads the metrics of an app within a window, over all its chosen environments.

    Args:
        reader: the view of the store.
        apps: the app, once for each environment.
        window: the window.
        transaction: the one transaction to look at, or None for all.
    """

    def __init__(self, reader: Reader, apps: list[App], window: Window, transaction: str | None) -> None:
        self.apps = apps
        self.window = window
        self._reader = reader
        self._transaction = transaction
        self._attributes: dict[str, dict[int, Attributes]] = {}

    def amounts(
        self, metric: str, *, by_slot: bool = False, by_series: bool = False, each: bool = False
    ) -> list[Amount]:
        """Return the sums of a metric; those of one series or slot may be in several rows.

        ``each`` is for whoever needs transactions apart: their series are many, those of the whole app few.
        """
        step = self.window.step if by_slot else 0
        rows: list[Amount] = []
        for selection in self._selections(metric, by_slot=by_slot, each=each):
            rows += self._reader.amounts(selection, step=step, by_series=by_series)
        return rows

    def amounts_of_instances(self, metric: str, *, step: int | None = None) -> list[Amount]:
        """Return the sums of a metric by slot, series and instance; ``step`` is that of the window unless given."""
        rows: list[Amount] = []
        for selection in self._selections(metric, by_slot=True, each=False):
            rows += self._reader.amounts(selection, step=step or self.window.step, by_series=True, by_instance=True)
        return rows

    def reporters(self) -> dict[int, Reporter]:
        """Return the instances of the app."""
        return {key: reporter for app in self.apps for key, reporter in self._reader.reporters(app.id).items()}

    def cells(
        self, metric: str, *, by_slot: bool = False, by_series: bool = False, each: bool = False
    ) -> list[CellCount]:
        """Return the histogram of a metric; one cell may be in several rows."""
        step = self.window.step if by_slot else 0
        rows: list[CellCount] = []
        for selection in self._selections(metric, by_slot=by_slot, each=each):
            rows += self._reader.cells(selection, step=step, by_series=by_series)
        return rows

    def attributes(self, metric: str, series: int) -> Attributes:
        """Return the attributes of a series of a metric."""
        known = self._attributes.get(metric)
        if known is None:
            known = self._attributes[metric] = {}
            for app in self.apps:
                known.update(self._reader.series(app.id, metric))
        return known.get(series, {})

    def latest(self, metric: str) -> float | None:
        """Return the newest value of a gauge of the whole app within the window."""
        rows: list[Amount] = []
        for selection in self._selections(metric, by_slot=True, each=False):
            everywhere = selection._replace(scope=None)
            rows += self._reader.amounts(everywhere, step=self.window.tier, by_series=False)
        return max(rows, key=attrgetter("slot")).last if rows else None

    def _selections(self, metric: str, *, by_slot: bool, each: bool) -> Iterator[Selection]:
        window = self.window
        pieces = [(window.tier, window.first, window.end)] if by_slot else window.pieces
        for app in self.apps:
            for piece in pieces:
                yield Selection(app.id, metric, self._transaction, *piece, each=each and self._transaction is None)


def bad_parameter(name: str, message: str) -> falcon.HTTPBadRequest:
    """Return the error for a parameter that cannot be used."""
    return falcon.HTTPBadRequest(description=f"{name}: {message}")


def _listed(what: str, names: list[str]) -> str:
    return f"known {what}: {', '.join(map(repr, names[:50]))}" if names else f"there are no {what} yet"
