# SPDX-License-Identifier: Apache-2.0
"""The process that writes and merges counters for the merge benchmark: `python -m benchmarks.merging wsgiapm|prometheus`."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

from benchmarks.answering import answer_commands
from benchmarks.apps import accept, hello, make_environ

_OBSERVATIONS = 10
_DIRECTORY = os.environ["BENCH_DIRECTORY"]


class Side(Protocol):
    """One of the two that are compared."""

    def write(self, series: int) -> None:
        """As a worker, observe durations in so many histograms."""

    def reader(self) -> Callable[[], bytes]:
        """Return what merges everything and writes it as text."""


def _durations(series: int) -> list[int]:
    chance = random.Random(series)  # every worker sees about the same of one route
    return [round(chance.lognormvariate(17, 1)) for _ in range(_OBSERVATIONS)]  # around 24 ms


class Ours:
    """wsgiapm, as its middleware and its /metrics do it."""

    def __init__(self) -> None:
        import wsgiapm.agent  # noqa: F401  # before forking, as servers that preload do

    def write(self, series: int) -> None:
        from wsgiapm import APMMiddleware, middleware

        ticks: list[int] = []
        vars(middleware)["monotonic_ns"] = ticks.pop
        app = APMMiddleware(
            hello, shared_dir=f"{_DIRECTORY}/shared", shared_max_bytes=2**31, max_series=10_000, endpoint="",
            harvest_mode="external", app_name="benchmark",
        )  # fmt: skip
        for number in range(series):
            environ = make_environ(f"/route-{number}-of/many")
            for duration in _durations(number):
                ticks[:] = [1 + duration, 1]
                app(environ.copy(), accept)

    def reader(self) -> Callable[[], bytes]:
        from wsgiapm.aggregate.instance import observe
        from wsgiapm.aggregate.merge import take_snapshot
        from wsgiapm.aggregate.resource import Resource
        from wsgiapm.exporters.prometheus import render

        instance = observe(f"{_DIRECTORY}/shared")
        return lambda: render(take_snapshot(instance, Resource()))


class Prometheus:
    """prometheus_client's multi-process mode."""

    def __init__(self) -> None:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = _DIRECTORY

    def write(self, series: int) -> None:
        from prometheus_client import Histogram

        histogram = Histogram("duration_seconds", "Durations", ["method", "route", "status"])
        for number in range(series):
            labelled = histogram.labels("GET", f"/route-{number}-of/many", "200")
            for duration in _durations(number):
                labelled.observe(duration / 1e9)

    def reader(self) -> Callable[[], bytes]:
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        def read() -> bytes:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            return generate_latest(registry)

        return read


def _as_worker(work: Callable[[], None], until: int = -1) -> int:
    """Do `work` in a forked worker, which then lives until `until` can be read to its end."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
            os.write(tell, b"!")
            if until >= 0:
                os.read(until, 1)
        finally:
            os._exit(status)
    os.close(tell)
    done = os.read(told, 1)
    os.close(told)
    if done != b"!":
        msg = "a worker failed"
        raise RuntimeError(msg)
    return pid


def _observations(text: bytes) -> float:
    return sum(float(line.split()[-1]) for line in text.decode().splitlines() if "duration_seconds_count{" in line)


def main() -> None:
    side: Side = Prometheus() if sys.argv[1] == "prometheus" else Ours()

    pids: list[int] = []
    keeping: list[int] = []

    def fill(workers: int, series: int) -> None:
        waiting, keep = os.pipe()

        def work() -> None:
            os.close(keep)
            side.write(series)

        pids.extend(_as_worker(work, waiting) for _ in range(workers))
        os.close(waiting)
        keeping.append(keep)

    def recycle(times: int) -> None:
        while keeping:
            os.close(keeping.pop())
        while pids:
            os.waitpid(pids.pop(), 0)
        for _ in range(times):
            os.waitpid(_as_worker(lambda: side.write(1)), 0)

    readers: list[Callable[[], bytes]] = []

    def read(*, anew: bool, times: int) -> dict[str, Any]:
        started = time.perf_counter()
        if anew or not readers:
            readers[:] = [side.reader()]
        for _ in range(times):
            text = readers[0]()
        taken = (time.perf_counter() - started) / times
        counted = _observations(text)
        files = len([name for _, _, names in os.walk(_DIRECTORY) for name in names])
        return {"seconds": taken, "observations": counted, "files": files}

    answer_commands({"fill": fill, "recycle": recycle, "read": read})


main()
