# SPDX-License-Identifier: Apache-2.0
"""The process in which a peer records queries: `python -m benchmarks.sql_subject PEER`."""

from __future__ import annotations

import sys
import time

from benchmarks.answering import answer_commands
from benchmarks.apps import Queries, make_environ, serve
from benchmarks.peers import load


def main() -> None:
    peer = load(sys.argv[1])
    inner = Queries(0)
    app = peer.wrap(inner)
    environ = make_environ()

    def run(requests: int, queries: int) -> dict[str, float]:
        inner.queries = queries
        cpu = time.process_time()
        wall = time.perf_counter()
        serve(app, requests, environ)
        return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}

    answer_commands({"run": run, "recorded": getattr(peer, "recorded_queries", int)})


main()
