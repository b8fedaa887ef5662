# SPDX-License-Identifier: Apache-2.0
"""The process in which a peer answers requests without a network: `python -m benchmarks.subject PEER`."""

from __future__ import annotations

import sys
import time

from benchmarks.answering import answer_commands
from benchmarks.apps import hello, make_environ, serve
from benchmarks.peers import load


def main() -> None:
    peer = load(sys.argv[1])
    app = peer.wrap(hello)
    environ = make_environ()

    def run(requests: int) -> dict[str, float]:
        cpu = time.process_time()
        wall = time.perf_counter()
        serve(app, requests, environ)
        return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}

    answer_commands({"run": run, "recorded": peer.recorded})


main()
