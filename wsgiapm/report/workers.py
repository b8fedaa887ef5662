# SPDX-License-Identifier: Apache-2.0
"""The workers of an app: what each used over time, and GET /api/v1/workers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from wsgiapm.report import growth
from wsgiapm.report.events import attributes_of
from wsgiapm.report.question import LARGEST_LIMIT, Question, Source
from wsgiapm.store.model import NANOSECONDS, Amount, Event

REQUESTS = "wsgiapm.worker.requests"
MEMORY = "wsgiapm.worker.memory"
CPU_TIME = "wsgiapm.worker.cpu.time"
PID = "wsgiapm.worker.pid"
UPTIME = "wsgiapm.worker.uptime"
STATE = "wsgiapm.worker.state"
ENDED = "ended"
DIED = "wsgiapm.worker.died"
_Values = dict[str, float | None]
_ShowSlot = Callable[[int], tuple[_Values, bool]]


class Place(NamedTuple):
    """A worker's place in its instance; whoever comes after a worker that ended takes it over."""

    uid: str
    worker: int | str


def chart_cpu(source: Source) -> _ShowSlot:
    """Return what shows a slot: the share of a core that each worker used, and all of them."""
    step = source.window.step
    return _chart(source, CPU_TIME, lambda amount: amount.total / NANOSECONDS / step, digits=6)


def chart_memory(source: Source) -> _ShowSlot:
    """Return what shows a slot: the bytes that each worker held on average, and all of them."""
    return _chart(source, MEMORY, _average, digits=None)


def list_workers(question: Question) -> dict[str, Any]:
    """Return the workers that reported in the window, with what they did in it."""
    source = question.source()
    workers: defaultdict[Place, _Worker] = defaultdict(_Worker)
    for place, amount in _read(source, REQUESTS):
        workers[place].add_requests(amount)
    for place, amount in _read(source, CPU_TIME):
        workers[place].add_cpu_time(amount)
    for place, amount in sorted(_read(source, MEMORY), key=lambda entry: entry[1].slot):
        workers[place].add_memory(amount)
    for place, (_, pid) in _newest(source, PID).items():
        workers[place].pid = round(pid)
    for place, (slot, uptime) in _newest(source, UPTIME).items():
        workers[place].began = slot - uptime / NANOSECONDS
    for place, state in _states(source).items():
        workers[place].state = state
    heard = {reporter.uid: reporter.last_seen for reporter in source.reporters().values()}
    exits = _last_exits(_deaths(question, source))
    seconds = source.window.minutes * 60
    return {
        "workers": [
            {
                "worker": place.worker,
                "instance": place.uid,
                "pid": workers[place].living_pid(),
                "state": workers[place].state,
                "growth_per_hour": workers[place].growth(),
                "requests": workers[place].requests,
                "memory": workers[place].memory,
                "cpu": round(workers[place].seconds / seconds, 6),
                "last_seen": min(workers[place].newest + source.window.step, heard[place.uid]),
                "last_exit": exits.get(place, {}),
            }
            for place in sorted(workers, key=_order)
        ]
    }


class _Worker:
    """What is known of a worker."""

    def __init__(self) -> None:
        self.requests = 0
        self.seconds = 0.0
        self.memory: int | None = None
        self.pid: int | None = None
        self.state: str | None = None
        self.began = 0.0
        self._memories: list[tuple[float, float]] = []
        self.newest = 0

    def add_requests(self, amount: Amount) -> None:
        self.requests += int(amount.total)
        self.newest = max(self.newest, amount.slot)

    def add_cpu_time(self, amount: Amount) -> None:
        self.seconds += amount.total / NANOSECONDS
        self.newest = max(self.newest, amount.slot)

    def add_memory(self, amount: Amount) -> None:
        self.memory = round(_average(amount))
        self.newest = max(self.newest, amount.slot)
        self._memories.append((amount.slot, _average(amount)))

    def living_pid(self) -> int | None:
        """Return the id of the process that is in this place now."""
        return None if self.state == ENDED else self.pid

    def growth(self) -> float | None:
        """Return the bytes by which the process that is in this place now grows in an hour."""
        if self.state == ENDED:
            return None
        warm = self.began + growth.WARMING_UP
        return growth.growth_per_hour([point for point in self._memories if point[0] >= warm])


def _chart(source: Source, metric: str, figure: Callable[[Amount], float], *, digits: int | None) -> _ShowSlot:
    slots: defaultdict[int, dict[Place, float]] = defaultdict(dict)
    late: set[int] = set()
    for place, amount in _read(source, metric):
        slots[amount.slot][place] = slots[amount.slot].get(place, 0) + figure(amount)
        if amount.late:
            late.add(amount.slot)
    alone = len({place.uid for places in slots.values() for place in places}) == 1

    def show_slot(slot: int) -> tuple[_Values, bool]:
        places = slots.get(slot, {})
        values: _Values = {"total": round(sum(places.values()), digits) if places else None}
        for place in sorted(places, key=_order):
            values[str(place.worker) if alone else f"{place.uid}/{place.worker}"] = round(places[place], digits)
        return values, slot in late

    return show_slot


def _read(source: Source, metric: str, *, step: int | None = None) -> Iterator[tuple[Place, Amount]]:
    reporters = source.reporters()
    for amount in source.amounts_of_instances(metric, step=step):
        # What an instance left that has been forgotten, and sums of several instances, are nobody's.
        if reporter := reporters.get(amount.instance):
            yield Place(reporter.uid, source.attributes(metric, amount.series).get("worker", "")), amount


def _newest(source: Source, metric: str) -> dict[Place, tuple[int, float]]:
    """Return the newest value of a gauge of each worker, and the second from which it is."""
    found: dict[Place, tuple[int, float]] = {}
    for place, amount in _read(source, metric, step=source.window.tier):
        if amount.slot >= found.get(place, (0, 0.0))[0]:
            found[place] = (amount.slot, amount.last or 0.0)
    return found


def _states(source: Source) -> dict[Place, str]:
    found: dict[Place, tuple[int, str]] = {}
    reporters = source.reporters()
    for amount in source.amounts_of_instances(STATE, step=source.window.tier):
        attributes = source.attributes(STATE, amount.series)
        if amount.last and (reporter := reporters.get(amount.instance)):
            place = Place(reporter.uid, attributes.get("worker", ""))
            found[place] = max(found.get(place, (0, "")), (amount.slot, str(attributes.get("state", ""))))
    return {place: state for place, (_, state) in found.items()}


def _order(place: Place) -> tuple[str, bool, str | int]:
    return place.uid, isinstance(place.worker, str), place.worker


def _deaths(question: Question, source: Source) -> Iterator[Event]:
    window = source.window
    for app in source.apps:
        for event in question.reader.events(app.id, start=window.first, end=window.end, limit=LARGEST_LIMIT):
            if event.name == DIED:
                yield event


def _last_exits(deaths: Iterable[Event]) -> dict[Place, dict[str, Any]]:
    exits: dict[Place, dict[str, Any]] = {}
    for event in sorted(deaths, key=lambda death: death.time_ns):
        told = {name: value for name, value in attributes_of(event).items() if isinstance(value, str | int)}
        exits[Place(event.instance, told.get("worker", ""))] = {
            "t": round(event.time_ns / NANOSECONDS, 6),
            "pid": told.get("process.pid"),
            "exit": told.get("wsgiapm.exit"),
            "reason": told.get("wsgiapm.reason"),
            "message": event.message,
        }
    return exits


def _average(amount: Amount) -> float:
    return amount.total / max(amount.n, 1)
