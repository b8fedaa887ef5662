# SPDX-License-Identifier: Apache-2.0
"""How many requests fewer does a server answer? gunicorn with two workers, wrk with 50 connections, on the same machine.

All servers are up at once and are loaded one after the other, in turning order; each figure is divided by that of the
app alone in the same round. An app that does nothing is the worst case there is for every agent.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import ExitStack
from typing import Any

from benchmarks.figures import estimate, ratios
from benchmarks.peers import AGENTS, BARE, BARE_AGAIN, OURS, PROMETHEUS
from benchmarks.report import is_quick, publish, table
from benchmarks.servers import Server, run_gunicorn, run_redis

PEERS = (BARE, BARE_AGAIN, OURS, PROMETHEUS, *AGENTS)
_ENDPOINTS = {"/hello": "no work", "/row": "one row, one cache get"}
_ROUNDS = 2 if is_quick() else 5
_SECONDS = 1 if is_quick() else 3
_WORKERS = 2


def _load(server: Server, path: str, seconds: int) -> float:
    """Return requests per second."""
    wrk = shutil.which("wrk")
    if wrk is None:
        msg = "wrk is not installed; on Debian: apt-get install wrk"
        raise SystemExit(msg)
    command = [wrk, "-t1", "-c50", f"-d{seconds}s", f"http://127.0.0.1:{server.port}{path}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = re.search(r"Requests/sec:\s*([\d.]+)", done.stdout)
    if found is None or "Non-2xx" in done.stdout:
        msg = f"{server.peer.shown} under load:\n{done.stdout}"
        raise SystemExit(msg)
    return float(found[1])


def _verify(servers: list[Server]) -> None:
    for server in servers:
        if server.peer.name != "bare" and not all(f["recorded"] for f in server.facts(_WORKERS)):
            msg = f"a worker of {server.peer.shown} has recorded nothing"
            raise SystemExit(msg)


def measure(worker_class: str, redis: int) -> dict[str, list[list[float]]]:
    """Return requests per second: by endpoint, for each peer, of each round."""
    taken: dict[str, list[list[float]]] = {path: [[] for _ in PEERS] for path in _ENDPOINTS}
    with ExitStack() as stack:
        servers = [
            stack.enter_context(run_gunicorn(peer, worker_class, "paths", _WORKERS, BENCH_REDIS_PORT=str(redis)))
            for peer in PEERS
        ]
        for path in _ENDPOINTS:
            for server in servers:
                _load(server, path, 1)
        _verify(servers)
        for number in range(_ROUNDS):
            for path, of_peers in taken.items():
                for i in range(len(PEERS)):
                    turn = (i + number * 2) % len(PEERS)
                    of_peers[turn].append(_load(servers[turn], path, _SECONDS))
    return taken


def main() -> None:
    rows: list[list[str]] = [[peer.shown] for peer in PEERS]
    head, result = [""], dict[str, Any]()
    with run_redis() as redis:
        for worker_class in ("sync", "gevent"):
            for path, of_peers in measure(worker_class, redis).items():
                head.append(f"{worker_class}, {_ENDPOINTS[path]}")
                for row, peer, rates in zip(rows, PEERS, of_peers, strict=True):
                    rate, ratio = estimate(rates), estimate(ratios(rates, of_peers[0]))
                    row.append(f"{rate.median:,.0f}/s" if row is rows[0] else ratio.show())
                    name = peer.name + "_again" * (peer is BARE_AGAIN)
                    result.setdefault(name, {})[f"{worker_class} {path}"] = {"per_second": rate, "ratio": ratio}
    publish("throughput", result, table(head, rows), PEERS)


if __name__ == "__main__":
    main()
