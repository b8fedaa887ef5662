# SPDX-License-Identifier: Apache-2.0
"""How many requests fewer does a server answer? gunicorn with two workers, wrk with 50 connections, on the same machine.

All servers are up at once and are loaded one after the other, in turning order; each figure is divided by that of the
app alone in the same round. An app that does nothing is the worst case there is for every agent. The agents, whose share
is far from one, take part in every third round only.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import ExitStack
from typing import Any

from benchmarks.figures import Figure, estimate, ratios
from benchmarks.peers import AGENTS, BARE, BARE_AGAIN, OURS, PROMETHEUS, Peer, PeerError
from benchmarks.report import is_quick, progress, publish, table, tolerating
from benchmarks.servers import Server, run_gunicorn, run_redis

PEERS = (BARE, BARE_AGAIN, OURS, PROMETHEUS, *AGENTS)
_ENDPOINTS = {"/hello": "no work", "/row": "one row, one cache get"}
_ROUNDS = 1 if is_quick() else 9
_SECONDS = 1 if is_quick() else 2
_AGENTS_EVERY = 3
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
    if found is None or "Non-2xx" in done.stdout or not float(found[1]):
        msg = f"{server.peer.shown} under load: {done.stdout}"
        raise PeerError(msg)
    return float(found[1])


def _start(stack: ExitStack, worker_class: str, redis: int) -> dict[Peer, Server]:
    """Return the servers of the peers that work, each of whose workers has recorded."""
    servers: dict[Peer, Server] = {}
    for peer in PEERS:
        progress(f"throughput: starting {peer.shown} under gunicorn, {worker_class}")
        with tolerating(peer):
            server = stack.enter_context(
                run_gunicorn(peer, worker_class, "paths", _WORKERS, BENCH_REDIS_PORT=str(redis))
            )
            for path in _ENDPOINTS:
                _load(server, path, 1)
            if peer.name != "bare" and not all(facts["recorded"] for facts in server.facts(_WORKERS)):
                msg = f"a worker of {peer.shown} has recorded nothing"
                raise PeerError(msg)
            servers[peer] = server
    return servers


def measure(worker_class: str, redis: int) -> dict[str, dict[Peer, dict[int, float]]]:
    """Return requests per second: by endpoint and peer, of the rounds the peer took part in."""
    with ExitStack() as stack:
        servers = _start(stack, worker_class, redis)
        taken: dict[str, dict[Peer, dict[int, float]]] = {path: {peer: {} for peer in servers} for path in _ENDPOINTS}
        for number in range(_ROUNDS):
            progress(f"throughput: {worker_class}, round {number + 1} of {_ROUNDS}")
            peers = [peer for peer in servers if peer not in AGENTS or number % _AGENTS_EVERY == 0]
            start = number * 2 % len(peers)
            for path, of_peers in taken.items():
                for peer in peers[start:] + peers[:start]:
                    with tolerating(peer):
                        of_peers[peer][number] = _load(servers[peer], path, _SECONDS)
    return taken


def main() -> None:
    result: dict[str, Any] = {"rounds": _ROUNDS, "peers": {peer.shown: {} for peer in PEERS}}
    with run_redis() as redis:
        for worker_class in ("sync", "gevent"):
            for path, of_peers in measure(worker_class, redis).items():
                bare = of_peers[BARE]
                for peer, rates in of_peers.items():
                    if rates:
                        result["peers"][peer.shown][f"{worker_class}, {_ENDPOINTS[path]}"] = {
                            "per_second": estimate(list(rates.values())),
                            "ratio": estimate(ratios(list(rates.values()), [bare[number] for number in rates])),
                        }
    publish("throughput", result, show, PEERS)


def show(result: Any) -> str:
    """Return the table of a result."""
    cases = list(result["peers"][BARE.shown])
    rows = [[f"{BARE.shown}, requests per second"]]
    rows[0] += [f"{Figure(*result['peers'][BARE.shown][case]['per_second']).median:,.0f}" for case in cases]
    for name, of_peer in result["peers"].items():
        if name != BARE.shown:
            rows.append([name, *(Figure(*of_peer[case]["ratio"]).show() if case in of_peer else "-" for case in cases)])
    return f"{table(['', *cases], rows)}\n\nShare of the app's own, median of {result['rounds']} rounds and its 90 % interval."


if __name__ == "__main__":
    main()
