# SPDX-License-Identifier: Apache-2.0
"""What the tests of the shared memory are made of: transactions, totals, and processes that die when they are told to."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from wsgiapm.aggregate import layout, schema
from wsgiapm.aggregate.budget import BusyError
from wsgiapm.aggregate.index_file import Identity
from wsgiapm.aggregate.instance import CallWitness, Instance, join
from wsgiapm.aggregate.merge import merge
from wsgiapm.aggregate.snapshot import HistogramPoint, NumberPoint, Snapshot
from wsgiapm.places import method_and_scheme
from wsgiapm.recorder import Recorder
from wsgiapm.transaction import Transaction

MILLISECOND = 10**6
APDEX_T = 500 * MILLISECOND
SHOP = Identity("shop")
ERRORS = ((500, 599),)


def begin_patiently(instance: Instance, apdex_t: int = APDEX_T, call_witness: CallWitness | None = None) -> Instance:
    """Take over a segment, however often the index is busy."""
    while True:
        try:
            instance.begin(apdex_t, call_witness)
        except BusyError:
            os.sched_yield()
        else:
            return instance


def join_patiently(path: str, budget: int = 0, call_witness: CallWitness | None = None) -> Instance:
    """Join, however often others are founding the instance."""
    while True:
        try:
            instance = join(path, SHOP, budget)
        except BusyError:
            os.sched_yield()
        else:
            return begin_patiently(instance, call_witness=call_witness)


def recorder_at(path: str, budget: int = 0, max_series: int = 2000) -> Recorder:
    """A recorder in a segment of its own."""
    return Recorder(join_patiently(path, budget), max_series=max_series, error_status=ERRORS)


def started(recorder: Recorder, route: str = "/", method: str = "GET", scheme: str = "http") -> Transaction:
    """A transaction that has begun."""
    transaction = Transaction()
    transaction.start = 1_000_000_000
    transaction.method = method_and_scheme(method, scheme)
    recorder.begin(transaction, route)
    return transaction


@contextlib.contextmanager
def no_free_row(recorder: Recorder) -> Iterator[None]:
    """Meanwhile nobody gets a row: as if all were in use."""
    free = recorder._free[:]
    recorder._free.clear()
    allowed, recorder.instance.segment.add_rows = recorder.instance.segment.add_rows, _refuse  # type: ignore[method-assign]
    yield
    recorder.instance.segment.add_rows = allowed  # type: ignore[method-assign]
    recorder._free.extend(free)


def _refuse() -> None:
    raise BusyError


def finish(recorder: Recorder, transaction: Transaction, duration: int = MILLISECOND, status: int | None = 200) -> None:
    """End a transaction after `duration` nanoseconds."""
    transaction.status = status
    recorder.finish(transaction, transaction.start + duration)


def record(recorder: Recorder, route: str = "/", duration: int = MILLISECOND, status: int | None = 200) -> None:
    """Begin and end a transaction."""
    finish(recorder, started(recorder, route), duration, status)


def family(snapshot: Snapshot, name: str) -> dict[tuple[tuple[str, Any], ...], Any]:
    """The points of a family by their attributes: numbers, and histograms as they are."""
    (found,) = [f for f in snapshot.families if f.name == name]
    return {point.attributes: point.value if isinstance(point, NumberPoint) else point for point in found.points}


def histograms(snapshot: Snapshot, name: str = schema.REQUEST_DURATION) -> list[HistogramPoint]:
    """The histograms of a family."""
    return [point for point in family(snapshot, name).values() if isinstance(point, HistogramPoint)]


def by_route(snapshot: Snapshot) -> Counter[str]:
    """Finished requests by route."""
    counts: Counter[str] = Counter()
    for point in histograms(snapshot):
        counts[str(dict(point.attributes)[schema.ROUTE])] += point.count
    return counts


def by_status(snapshot: Snapshot) -> Counter[object]:
    """Finished requests by status."""
    counts: Counter[object] = Counter()
    for point in histograms(snapshot):
        counts[dict(point.attributes).get(schema.STATUS)] += point.count
    return counts


def aborted(snapshot: Snapshot) -> Counter[str]:
    """Aborted requests by route."""
    counts: Counter[str] = Counter()
    for attributes, value in family(snapshot, schema.ABORTED_REQUESTS).items():
        counts[str(dict(attributes)[schema.ROUTE])] += value
    return counts


def dropped(snapshot: Snapshot) -> dict[str, int]:
    """What was dropped, by reason."""
    return {str(dict(attributes)["reason"]): value for attributes, value in family(snapshot, schema.DROPPED).items()}


def in_flight(snapshot: Snapshot) -> int:
    """Requests that are running."""
    return sum(family(snapshot, schema.ACTIVE_REQUESTS).values())


def finished(path: str) -> int:
    """Finished requests of all routes, as a reader of the directory sees them."""
    return sum(by_route(merge(path)).values())


def fork(work: Callable[[], object]) -> int:
    """Run `work` in a child process and return its id. An exception makes its status 1 and is printed."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return pid


def wait(pid: int) -> int:
    """Wait for a child and return its exit status; negative: the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run(work: Callable[[], object]) -> int:
    """Run `work` in a child process and return its exit status."""
    return wait(fork(work))


def die() -> None:
    """End this process at once, as the kernel's OOM killer would."""
    os.kill(os.getpid(), signal.SIGKILL)


def header_word(path: str, number: int, word: int) -> int:
    """A word of a segment's header."""
    with open(f"{path}/{layout.segment_name(number)}", "rb") as file:
        file.seek(word * layout.WORD)
        return int.from_bytes(file.read(layout.WORD), "little")


class LimitedCells:
    """The words of a segment; the store with this number is not made, something else happens instead."""

    def __init__(self, cells: Any, stores: int, happens: Callable[[], object]) -> None:
        self.cells = cells
        self.left = stores
        self._happens = happens

    def __getitem__(self, place: Any) -> Any:
        return self.cells[place]

    def __len__(self) -> int:
        return len(self.cells)

    def __setitem__(self, place: Any, value: Any) -> None:
        if self.left == 0:
            self._happens()
        self.left -= 1
        self.cells[place] = value


class LimitedOwner:
    """A settler with such cells."""

    def __init__(self, instance: Instance, stores: int, happens: Callable[[], object]) -> None:
        self.cells = LimitedCells(instance.cells, stores, happens)
        self.aborted_position = instance.aborted_position
        self.ended_position = instance.ended_position


@contextlib.contextmanager
def index_held(path: str) -> Iterator[None]:
    """Another process holds the index, stopped by SIGSTOP; in the end it is killed."""
    reading, writing = os.pipe()

    def hold() -> None:
        instance = join_patiently(path)
        assert instance.directory is not None
        assert instance.directory.try_lock(layout.INDEX_LOCK)
        os.write(writing, b"x")
        time.sleep(600)

    holder = fork(hold)
    try:
        os.read(reading, 1)
        os.kill(holder, signal.SIGSTOP)
        yield
    finally:
        os.kill(holder, signal.SIGKILL)
        wait(holder)
        os.close(reading)
        os.close(writing)
