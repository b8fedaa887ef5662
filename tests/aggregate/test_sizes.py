# SPDX-License-Identifier: Apache-2.0
"""The sizes of real life, with real files: what the shared directory takes, and that nothing makes it take more.

A recorder stands for a process here: each has a segment, a lock and descriptors of its own, as a process has.
The table in docs/shared-memory.md is what `python -m tests.aggregate.test_sizes` measures.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import tracemalloc
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.aggregate.counting import (
    aborted,
    by_route,
    by_status,
    die,
    dropped,
    finish,
    finished,
    in_flight,
    join_patiently,
    record,
    recorder_at,
    run,
    started,
)
from wsgiapm.aggregate import layout, schema
from wsgiapm.aggregate.budget import BLACK_BOX, DEFAULT_BUDGET
from wsgiapm.aggregate.histogram import BLOCKS
from wsgiapm.aggregate.journal import CAPACITY
from wsgiapm.aggregate.merge import merge
from wsgiapm.recorder import Recorder

MIB = 2**20
DOCKER = 64 * MIB  # what a container's /dev/shm has unless it is told otherwise
JOURNAL = layout.PAGE + CAPACITY
ROUTES = 300
BUSY = range(11, 19)  # the octaves of a route that answers within 1 to 250 ms
GREENLETS = 2000  # worker_connections
PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "shared-memory.md")
BEGIN, END = "<!-- sizes: made by python -m tests.aggregate.test_sizes -->\n", "<!-- end of sizes -->\n"


class Size(NamedTuple):
    """What a directory takes in the file system: files, the bytes of the largest segment, of the index, of everything."""

    processes: int
    files: int
    segment: int
    index: int
    total: int

    @classmethod
    def of(cls, path: str, processes: int) -> Size:
        """Look at the directory at `path`."""
        sizes = {name: os.stat(f"{path}/{name}").st_blocks * 512 for name in os.listdir(path)}
        largest = max(size for name, size in sizes.items() if name.startswith("segment-"))
        return cls(processes, len(sizes), largest, sizes["index"], sum(sizes.values()))

    @property
    def with_crashes(self) -> int:
        """The bytes if every process has also crashed, and nobody has delivered what there is to tell."""
        journals = min(self.processes * JOURNAL, DEFAULT_BUDGET // 16)
        return self.total + journals + self.processes * BLACK_BOX


def serve(recorder: Recorder, name: str, octave: int = 11) -> None:
    """Finish one request of a route that the framework has told, of a duration in this octave."""
    transaction = started(recorder, "/shop/section/7/")
    transaction.name = name
    finish(recorder, transaction, 950 << octave)


def route(number: int) -> str:
    """A route of ordinary length."""
    return f"/shop/section-{number}/<int:pk>/"


def work(recorder: Recorder) -> int:
    """Serve each of the busy routes in each of their octaves; returns the number of requests."""
    for number in range(ROUTES):
        for octave in BUSY:
            serve(recorder, route(number), octave)
    return ROUTES * len(BUSY)


def fill(recorder: Recorder) -> int:
    """Serve ever new routes in all octaves until there is no room for more; returns the number of requests."""
    count = 0
    refused = recorder.instance.dropped["budget"]
    while not recorder.cells[refused]:
        serve(recorder, route(count // BLOCKS), count % BLOCKS)
        count += 1
    return count


@contextlib.contextmanager
def processes(path: str, count: int, budget: int = DEFAULT_BUDGET) -> Iterator[list[Recorder]]:
    """So many processes that live at once."""
    with contextlib.ExitStack() as stack:
        living = []
        for _ in range(count):
            recorder = recorder_at(path, budget)
            stack.callback(recorder.instance.close)
            living.append(recorder)
        yield living


def observe_busy(path: str, workers: int, budget: int = DEFAULT_BUDGET) -> tuple[Size, Size]:
    """Busy workers, then the same while a HUP has started as many new ones and the old ones still live."""
    with processes(path, workers, budget) as old:
        requests = sum(work(recorder) for recorder in old)
        steady = Size.of(path, workers)
        with processes(path, workers, budget) as new:
            for recorder in new:
                serve(recorder, route(0))
            reloading = Size.of(path, 2 * workers)
    snapshot = merge(path)

    assert by_route(snapshot).total() == requests + workers
    assert len(by_route(snapshot)) == ROUTES
    assert dropped(snapshot) == {}
    return steady, reloading


def observe_full(path: str, workers: int, budget: int, replaced: int) -> tuple[Size, Size]:
    """Workers that have used up the budget, then the same while so many of them are being replaced."""
    with processes(path, workers, budget) as old:
        requests = fill(old[0])
        for recorder in old:
            serve(recorder, "/one/too/many")
            recorder.instance.segment.cover(len(old[0].instance.index.chunks))
        steady = Size.of(path, workers)
        with processes(path, replaced, budget) as new:
            for recorder in new:
                serve(recorder, "/one/too/many")
            reloading = Size.of(path, workers + replaced)
    snapshot = merge(path)

    assert by_route(snapshot).total() == requests + workers + replaced
    assert by_route(snapshot)[schema.OTHER] == dropped(snapshot)["budget"] > workers + replaced
    assert "/one/too/many" not in by_route(snapshot)
    return steady, reloading


def attack(recorder: Recorder, requests: int, first: int = 0) -> None:
    """Ask for so many URLs that nobody has asked for, each with a method and a status of its own."""
    letters = str.maketrans("0123456789", "ghijklmnop")
    for number in range(first, first + requests):
        word = f"{number:016}".translate(letters)
        transaction = started(recorder, f"/{word}{word}/{word[::-1]}{word}/{number}", f"M{number}", f"s{number}")
        finish(recorder, transaction, 950 << number % BLOCKS, status=1000 + number)


def observe_attack(path: str) -> Size:
    """A worker that an attacker asks for 20,000 things that are not there, in an app that does not say 404."""
    with processes(path, 1) as (recorder,):
        attack(recorder, 20_000)
        return Size.of(path, 1)


def measure(path: str) -> dict[str, Size]:
    """The rows of the table, each in a shared directory of its own below `path`."""
    rows: dict[str, Size] = {}
    for workers in (17, 64):
        steady, reloading = observe_busy(f"{path}/busy-{workers}", workers)
        rows[f"{workers} workers, {ROUTES} busy series of {len(BUSY)} octaves each"] = steady
        rows[f"{workers} workers, the same during a HUP"] = reloading
    steady, reloading = observe_full(f"{path}/full", 64, DEFAULT_BUDGET, 64)
    rows["64 workers, as many series as there is room for"] = steady
    rows["64 workers, as many series as there is room for, during a HUP"] = reloading
    rows["1 worker, 20,000 requests of an attacker"] = observe_attack(f"{path}/attacked")
    return rows


def as_markdown(rows: dict[str, Size]) -> str:
    """The table as it stands in docs/shared-memory.md."""
    lines = [
        "| app | processes | files | one segment | index | all files | with all journals and black boxes full |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, size in rows.items():
        figures = f"{size.segment // 1024} KiB | {size.index / MIB:.1f} MiB | {size.total / MIB:.1f} MiB"
        lines.append(f"| {name} | {size.processes} | {size.files} | {figures} | {size.with_crashes / MIB:.1f} MiB |")
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def place() -> Iterator[str]:
    """A directory with room for all that is measured, in memory if there is enough."""
    memory = "/dev/shm"
    usable = os.access(memory, os.W_OK) and os.statvfs(memory).f_bavail * os.statvfs(memory).f_frsize > 4 * DOCKER
    with tempfile.TemporaryDirectory(prefix="wsgiapm-test-", dir=memory if usable else None) as path:
        yield path


@pytest.fixture(scope="module")
def rows() -> Iterator[dict[str, Size]]:
    """What is measured now."""
    with place() as path:
        yield measure(path)


def test_the_table_is_current(rows):
    """docs/shared-memory.md shows what is measured now; `python -m tests.aggregate.test_sizes` writes it."""
    with open(PAGE, encoding="utf-8") as page:
        assert page.read().partition(BEGIN)[2].partition(END)[0] == as_markdown(rows)


def test_every_app_of_the_table_fits(rows):
    """All processes, also those of a HUP, with full journals and black boxes, stay within what is the budget by default."""
    for name, size in rows.items():
        assert size.with_crashes <= DEFAULT_BUDGET, name
        assert size.files == size.processes + 2


def test_a_hup_takes_no_more_than_the_budget(shared):
    """Whoever is replaced when there is no room for further series finds room for a segment: it was kept free for that."""
    budget = 8 * MIB
    steady, reloading = observe_full(shared, 17, budget, replaced=17)

    assert steady.total <= budget // 2
    assert reloading.total <= budget
    assert reloading.files == 34 + 2


def test_a_container_holds_a_hup(tiny):
    """In 64 MiB of real memory, by default: 17 busy workers and 17 that replace them get their files."""
    path = os.path.join(tiny(DOCKER), "shop")
    observe_busy(path, 17, budget=0)

    assert sum(os.stat(f"{path}/{name}").st_blocks * 512 for name in os.listdir(path)) <= DOCKER // 4


def test_every_greenlet_of_a_worker_has_a_row(shared):
    """With worker_connections=2000, all in flight when the worker is killed: each is counted on its route."""

    def serve_and_die():
        recorder = recorder_at(shared)
        for number in range(GREENLETS):
            started(recorder, f"/{'abcdefghij'[number % 10]}")
        assert not recorder.cells[layout.ROWLESS]
        die()

    assert run(serve_and_die) == -signal.SIGKILL
    assert os.stat(f"{shared}/segment-0").st_size == layout.segment_size(1)
    assert aborted(merge(shared)) == {f"/{letter}": GREENLETS // 10 for letter in "abcdefghij"}
    assert in_flight(merge(shared)) == 0


def test_more_than_there_are_rows_are_counted_without_a_route(shared):
    """2,048 are known by route; of 500 more it is known how many there were, before and after somebody adopts them."""

    def serve_and_die():
        recorder = recorder_at(shared)
        for _ in range(layout.ROWS + 500):
            started(recorder, "/slow")
        finish(recorder, started(recorder, "/slow"))
        assert in_flight(merge(shared)) == layout.ROWS + 500
        die()

    assert run(serve_and_die) == -signal.SIGKILL
    left = {"/slow": layout.ROWS, schema.UNKNOWN: 500}
    assert (aborted(merge(shared)), finished(shared)) == (left, 1)
    join_patiently(shared).close()
    assert (aborted(merge(shared)), finished(shared), in_flight(merge(shared))) == (left, 1, 0)


def test_an_attacker_ends_in_other(shared):
    """Ever new URLs, methods and statuses: nothing is lost, and what went to (other) is told by wsgiapm.dropped."""
    recorder = recorder_at(shared, max_series=500)
    attack(recorder, 10_000)
    record(recorder, "/honest")
    snapshot = merge(shared)
    counts = by_route(snapshot)

    assert counts.total() == by_status(snapshot).total() == 10_001
    assert counts[schema.OTHER] == dropped(snapshot)["max_series"] > 9_500
    assert len(counts) <= 500
    recorder.instance.close()


def test_an_attacker_makes_nothing_grow(shared):
    """Once the limits are reached, neither the files nor the memory of the process grow with another 5,000 URLs."""
    recorder = recorder_at(shared, max_series=500)
    attack(recorder, 6_000)
    before = Size.of(shared, 1)
    tracemalloc.start()
    attack(recorder, 5_000, first=6_000)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert Size.of(shared, 1) == before
    assert grown < 16 * 1024
    assert len(recorder._entries) <= 2 * 500
    assert len(recorder.instance.index.names) <= 2 * 500
    assert len(recorder.instance.index.series) <= 500 + 200
    recorder.instance.close()


def write() -> None:
    """Measure, and write the table into docs/shared-memory.md."""
    with open(PAGE, encoding="utf-8") as page:
        before, begin, rest = page.read().partition(BEGIN)
    with place() as path:
        table = as_markdown(measure(path))
    with open(PAGE, "w", encoding="utf-8") as page:
        page.write(before + begin + table + END + rest.partition(END)[2])


if __name__ == "__main__":
    write()
