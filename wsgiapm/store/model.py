# SPDX-License-Identifier: Apache-2.0
"""What goes into a store and comes out of it: plain immutable values, and the tiers.

Amounts of metrics whose unit is seconds are kept as integer nanoseconds, so that adding them is exact.
"""

from __future__ import annotations

from typing import NamedTuple

HOUR, DAY = 3600, 86400
NANOSECONDS = 1_000_000_000

Attributes = dict[str, str | int]
Cells = dict[int, int]


class Tier(NamedTuple):
    """One resolution: ``step`` seconds to a row, kept for ``keep`` seconds."""

    step: int
    keep: int


STEPS = (10, 60, 600, 3600)
_KEEP = (6 * HOUR, 2 * DAY, 14 * DAY)


def tiers(retention: int) -> tuple[Tier, ...]:
    """Return the tiers from fine to coarse; none is kept longer than ``retention`` seconds."""
    keeps = (*(min(keep, retention) for keep in _KEEP), retention)
    return tuple(Tier(step, keep) for step, keep in zip(STEPS, keeps, strict=True))


# What comes in large numbers, by operation, by statement and by who called it, and is only ever asked for as a sum over a
# window. Its own fine tiers are kept for a shorter time, and days make long windows cheap.
OPERATION_DURATION = "db.client.operation.duration"
STATEMENT_DURATION = "wsgiapm.db.statement.duration"
CALLER_CALLS, CALLER_TIME = "wsgiapm.caller.calls", "wsgiapm.caller.time"
CALLER_REPETITIONS = "wsgiapm.caller.repetitions"
HTTP_CLIENT_DURATION = "http.client.request.duration"
DETAILED = frozenset(
    (OPERATION_DURATION, STATEMENT_DURATION, HTTP_CLIENT_DURATION, CALLER_CALLS, CALLER_TIME, CALLER_REPETITIONS)
)
DETAIL_STEPS = (*STEPS, DAY)
_DETAIL_KEEP = (2 * HOUR, 13 * HOUR, 4 * DAY)


def detail_tiers(retention: int) -> tuple[Tier, ...]:
    """Return the tiers of details from fine to coarse; none is kept longer than ``retention`` seconds."""
    keeps = (*(min(keep, retention) for keep in _DETAIL_KEEP), retention, retention)
    return tuple(Tier(step, keep) for step, keep in zip(DETAIL_STEPS, keeps, strict=True))


class App(NamedTuple):
    """An app in one environment; times are epoch seconds."""

    id: int
    name: str
    environment: str
    first_seen: int
    last_seen: int


class Instance(NamedTuple):
    """A writer of metrics. ``report_ns`` is the time of its newest report, ``before_ns`` of the one before; 0: none."""

    id: int
    report_ns: int
    before_ns: int


class Sighting(NamedTuple):
    """When an instance was heard of, by this machine's clock, in epoch seconds."""

    app: int
    first_seen: int
    last_seen: int


class Reporter(NamedTuple):
    """An instance by its own name, and when it was last heard of, in epoch seconds."""

    uid: str
    last_seen: int


class Series(NamedTuple):
    """The identity of a series within an app. ``kind`` is sum, gauge or histogram; ``scope`` the transaction.

    A total adds up what differs only in the transaction. It is written together with its parts.
    """

    metric: str
    kind: str
    unit: str
    scope: str
    attributes: str
    is_total: bool = False


class Stream(NamedTuple):
    """The last cumulative point of a series of an instance."""

    start_ns: int
    time_ns: int
    n: int
    total: float
    cells: Cells


class Value(NamedTuple):
    """What a row adds: ``n`` observations or points that sum up to ``total``, ``late`` of it booked late.

    ``low``, ``high`` and ``last`` are of gauges only.
    """

    n: int
    total: float
    late: float
    low: float | None = None
    high: float | None = None
    last: float | None = None


class Event(NamedTuple):
    """Something that happened at one moment, as an instance told it.

    ``id`` is its identity, the same however often it is delivered; ``severity`` is OTLP's number, ``attributes`` JSON.
    """

    id: int
    time_ns: int
    name: str
    severity: int
    message: str
    instance: str
    attributes: str


class Detail(NamedTuple):
    """What a row of details adds: ``n`` calls that took ``total``; ``cells`` is their histogram, packed, if there is one."""

    n: int
    total: float
    cells: bytes


class Note(NamedTuple):
    """What was last said about an operation under a name, such as where in the code it is; ``attributes`` is JSON."""

    operation: str
    name: str
    time_ns: int
    attributes: str


class Selection(NamedTuple):
    """Which rows a read is about: [start, end) in epoch seconds.

    ``scope`` is one transaction, or None for the whole app; ``each`` takes all transactions apart instead. The whole app is
    read from its totals, which gauges have not: of those it has only what belongs to no transaction.
    """

    app: int
    metric: str
    scope: str | None
    tier: int
    start: int
    end: int
    each: bool = False


class Amount(NamedTuple):
    """What a read adds up for one slot of time (epoch seconds), series and instance; 0 stands for all of them."""

    slot: int
    series: int
    n: int
    total: float
    late: float
    last: float | None
    instance: int = 0


class CellCount(NamedTuple):
    """How many observations lie in a bucket, for one slot of time and one series; 0 stands for all of them."""

    slot: int
    series: int
    bucket: int
    n: int
