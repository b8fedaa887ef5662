# SPDX-License-Identifier: Apache-2.0
"""Where does the time of the request path go, line by line?

line_profiler makes every line slower by about the same, so that short lines look longer than they are: compare lines, do
not add them up. For sums there is `make bench-request`, for exact differences `make bench-instructions`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from benchmarks.environments import ROOT, clean_environment, python_of

_REQUESTS = 20_000


def _measure() -> None:
    from line_profiler import LineProfiler  # type: ignore[import-not-found, unused-ignore]

    from benchmarks.apps import hello, make_environ, serve
    from wsgiapm import APMMiddleware, middleware, recorder, transaction

    profiler = LineProfiler()
    for module in (middleware, recorder, transaction):
        profiler.add_module(module)
    app = APMMiddleware(
        hello, shared_dir=os.environ["BENCH_DIRECTORY"] + "/shared", endpoint="", harvest_mode="external"
    )
    environ = make_environ()
    serve(app, 100, environ)
    profiler.enable_by_count()
    serve(app, _REQUESTS, environ)
    profiler.disable_by_count()
    profiler.print_stats(output_unit=1e-9 * _REQUESTS, stripzeros=True)


def main() -> None:
    if "--inside" in sys.argv:
        _measure()
        return
    print("Time is in nanoseconds per request.", flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/dev/shm") as directory:
        subprocess.run(
            [python_of("ours"), "-m", "benchmarks.request_profile", "--inside"],
            cwd=ROOT,
            env=clean_environment(BENCH_DIRECTORY=directory),
            check=True,
        )


if __name__ == "__main__":
    main()
