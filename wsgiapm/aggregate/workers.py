# SPDX-License-Identifier: Apache-2.0
"""Workers: what the header of each segment says of its owner, as metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from wsgiapm import clock
from wsgiapm.aggregate import layout, schema
from wsgiapm.aggregate.adoption import Aborted, Ended
from wsgiapm.aggregate.in_flight import Row
from wsgiapm.aggregate.snapshot import Attributes, Family, NumberPoint

_SECOND = 1_000_000_000


class Worker(Protocol):
    """What is asked of a worker here."""

    @property
    def number(self) -> int:
        """The number of its segment."""

    @property
    def live(self) -> bool:
        """Whether its process is alive."""

    @property
    def header(self) -> Sequence[int]:
        """The words of its segment's header."""

    @property
    def running(self) -> list[Row]:
        """Its requests in flight."""

    @property
    def aborted(self) -> list[Aborted]:
        """What it was killed in, as far as nobody has counted it yet."""

    @property
    def ended(self) -> list[Ended]:
        """What had ended when it was killed, as far as nobody has counted it yet."""

    @property
    def finished(self) -> int:
        """How many transactions its segment has finished."""


def worker_families(workers: Sequence[Worker]) -> Iterator[Family]:
    """Return the metrics that are told of each worker apart, by the number of its segment."""

    def key(worker: Worker) -> Attributes:
        return (("worker", worker.number),)

    requests = [(key(w), w.finished + len(w.ended)) for w in workers]
    yield Family.sums(schema.WORKER_REQUESTS, "{request}", "Requests a worker has finished.", requests)
    yield Family.sums(
        schema.WORKER_CPU_TIME,
        "s",
        "CPU time the processes of a worker's place have used.",
        [(key(w), w.header[layout.CPU_TIME] / _SECOND) for w in workers],
    )
    memory = tuple(
        NumberPoint(key(w), w.header[layout.RESIDENT_MEMORY])
        for w in workers
        if w.live and w.header[layout.RESIDENT_MEMORY]
    )
    yield Family(schema.WORKER_MEMORY, "By", "Resident memory of a worker.", "gauge", memory)
    live = [w for w in workers if w.live]
    pids = tuple(NumberPoint(key(w), w.header[layout.PID]) for w in live)
    yield Family(schema.WORKER_PID, "{pid}", "The process id of a worker.", "gauge", pids)
    now = clock.monotonic_ns()
    uptimes = tuple(NumberPoint(key(w), max(now - w.header[layout.CLAIMED_MONOTONIC], 0) / _SECOND) for w in live)
    yield Family(schema.WORKER_UPTIME, "s", "How long a worker has been counting.", "gauge", uptimes)
    states = tuple(
        NumberPoint((("state", state), ("worker", worker.number)), int(state == _state(worker, now)))
        for worker in workers
        if worker.header[layout.PID]
        for state in schema.WORKER_STATES
    )
    yield Family(schema.WORKER_STATE, "{worker}", "1 for the state a worker is in, 0 for the others.", "gauge", states)


def _state(worker: Worker, now: int) -> str:
    header = worker.header
    if not worker.live:
        return "ended"
    if header[layout.FAREWELL] in (layout.TAKEN, layout.TOLD) or header[layout.TIMED_OUT]:
        return "stopping"
    if 0 < header[layout.DUE] < now:
        return "stuck"
    idle = header[layout.BEGUN] == header[layout.BEGUN_AT_CLAIM]
    unheard = not header[layout.LAST_HARVEST] and header[layout.FAREWELL] != layout.PROMISED
    return "starting" if idle and unheard else "serving"
