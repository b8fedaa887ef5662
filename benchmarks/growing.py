# SPDX-License-Identifier: Apache-2.0
"""The process that answers requests for the growth benchmark: `python -m benchmarks.growing SERIES WORKERS`."""

from __future__ import annotations

import os
import sys
import time

from benchmarks.answering import answer_commands
from benchmarks.apps import hello, make_environ, serve
from wsgiapm import APMMiddleware


def main() -> None:
    series, workers = map(int, sys.argv[1:])
    app = APMMiddleware(
        hello, shared_dir=os.path.join(os.environ["BENCH_DIRECTORY"], "shared"), shared_max_bytes=2**31,
        max_series=10_000, endpoint="", harvest_mode="external", app_name="benchmark",
    )  # fmt: skip
    parent, child = os.pipe()
    for _ in range(workers - 1):
        if os.fork() == 0:  # counts one request, and lives as long as we do
            os.close(child)
            serve(app, 1, make_environ())
            os.read(parent, 1)
            os._exit(0)
    for number in range(series):
        serve(app, 1, make_environ(f"/route-{number}-of/many"))
    environ = make_environ("/route-0-of/many")

    def run(requests: int) -> float:
        started = time.process_time()  # it hardly minds who else is at work on the machine
        serve(app, requests, environ)
        return (time.process_time() - started) / requests

    answer_commands({"run": run})


main()
