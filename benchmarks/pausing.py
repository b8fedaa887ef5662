# SPDX-License-Identifier: Apache-2.0
"""The process whose pauses are measured: `python -m benchmarks.pausing SERIES ENDPOINT`; an empty endpoint is the control.

It stands for a gevent worker: one greenlet wakes every millisecond and notes how late it is, the other answers requests.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import os  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import gevent  # noqa: E402

from benchmarks.answering import answer_commands  # noqa: E402
from benchmarks.apps import hello, make_environ, serve  # noqa: E402
from wsgiapm import APMMiddleware, native  # noqa: E402
from wsgiapm.agent import _process  # noqa: E402
from wsgiapm.aggregate.merge import stream_snapshot  # noqa: E402
from wsgiapm.aggregate.resource import Resource  # noqa: E402
from wsgiapm.exporters.otlp import encode_metrics  # noqa: E402
from wsgiapm.pace import GivingWay  # noqa: E402

_WAKE = 0.001


def main() -> None:
    series, endpoint = int(sys.argv[1]), sys.argv[2]
    app = APMMiddleware(
        hello, shared_dir=os.path.join(os.environ["BENCH_DIRECTORY"], "shared"), shared_max_bytes=2**31, max_series=10_000,
        endpoint=endpoint, harvest_interval="1s", harvest_mode="thread" if endpoint else "external", app_name="benchmark",
    )  # fmt: skip
    for number in range(series):
        serve(app, 3, make_environ(f"/route-{number}-of/many"))

    def watch(seconds: float) -> dict[str, list[float]]:
        late: list[float] = []
        requests: list[float] = []
        environ = make_environ()
        end = time.perf_counter() + seconds

        def wake() -> None:
            while time.perf_counter() < end:
                before = time.perf_counter()
                gevent.sleep(_WAKE)
                late.append(time.perf_counter() - before - _WAKE)

        def answer() -> None:
            while time.perf_counter() < end:
                before = time.perf_counter()
                serve(app, 1, environ)
                requests.append(time.perf_counter() - before)
                gevent.sleep(0)

        gevent.joinall([gevent.spawn(wake), gevent.spawn(answer)])
        return {"loop": _longest(late), "request": _longest(requests)}

    answer_commands({"watch": watch, "stretch": _longest_stretch})


def _longest(seconds: list[float]) -> list[float]:
    """Return the longest, and the shortest of the longest hundredth."""
    seconds.sort()
    return [seconds[-1], seconds[-1 - len(seconds) // 100]]


def _longest_stretch() -> float:
    """Return the longest CPU time for which a harvest keeps all other threads from running, up to its compression."""
    [agent] = _process.agents.values()
    assert agent.recorder is not None
    stretches = []
    before = time.thread_time()

    def sleep(_seconds: float) -> None:
        nonlocal before
        stretches.append(time.thread_time() - before)
        before = time.thread_time()

    really, native.sleep = native.sleep, sleep
    try:
        pace = GivingWay()
        encode_metrics(stream_snapshot(agent.recorder.instance, Resource(), pace), pace)
        sleep(0)
    finally:
        native.sleep = really
    return max(stretches)


main()
