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
from wsgiapm import APMMiddleware  # noqa: E402

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
        return {"loop": sorted(late)[-100:], "request": sorted(requests)[-100:]}

    answer_commands({"watch": watch})


main()
