# SPDX-License-Identifier: Apache-2.0
"""How many requests fewer does a server answer? gunicorn with two workers, wrk with 50 connections, on the same machine.

The servers are up at once and are loaded one after the other, in each round in another order, so that nobody always comes
behind the same one; each figure is divided by that of the app alone in the same round. An app that does nothing is the worst
case there is for every agent. The agents, whose share is far from one, have a few rounds of their own with the app alone:
what they still have to do when their turn is over would be paid for by the next.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from benchmarks.figures import Figure, estimate, ratios
from benchmarks.peers import AGENTS, BARE, BARE_AGAIN, OURS, PROMETHEUS, Peer, PeerError
from benchmarks.report import is_quick, progress, publish, table, tolerating
from benchmarks.servers import Server, run_gunicorn, run_redis

NEAR = (BARE, BARE_AGAIN, OURS, PROMETHEUS)
PEERS = (*NEAR, *AGENTS)
_ENDPOINTS = {"/hello": "no work", "/row": "one row, one cache get"}
_ROUNDS = 1 if is_quick() else 11
_ROUNDS_OF_AGENTS = 1 if is_quick() else 3
_SECONDS = 1 if is_quick() else 2
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


def _start(stack: ExitStack, peers: Sequence[Peer], worker_class: str, redis: int) -> dict[Peer, Server]:
    """Return the servers of the peers that work, each of whose workers has recorded."""
    servers: dict[Peer, Server] = {}
    for peer in peers:
        progress(f"throughput: starting {peer.shown} under gunicorn, {worker_class}")
        with tolerating(peer):
            server = stack.enter_context(
                run_gunicorn(peer, worker_class, "paths", _WORKERS, BENCH_REDIS_PORT=str(redis))
            )
            for path in _ENDPOINTS:
                server.get(path)  # gunicorn listens before a worker has loaded its app
                _load(server, path, 1)
            if peer.name != "bare" and not all(facts["recorded"] for facts in server.facts(_WORKERS)):
                msg = f"a worker of {peer.shown} has recorded nothing"
                raise PeerError(msg)
            servers[peer] = server
    return servers


Rates = dict[str, dict[Peer, dict[int, float]]]


def measure(peers: Sequence[Peer], rounds: int, worker_class: str, redis: int) -> Rates:
    """Return requests per second, by endpoint, peer and round."""
    chance = random.Random(worker_class)
    with ExitStack() as stack:
        servers = _start(stack, peers, worker_class, redis)
        taken: Rates = {path: {peer: {} for peer in servers} for path in _ENDPOINTS}
        for number in range(rounds):
            progress(f"throughput: {worker_class}, {len(servers)} servers, round {number + 1} of {rounds}")
            for path, of_peers in taken.items():
                for peer in chance.sample(list(servers), len(servers)):
                    with tolerating(peer):
                        of_peers[peer][number] = _load(servers[peer], path, _SECONDS)
    return taken


def _compare(rates: dict[int, float], bare: dict[int, float]) -> dict[str, Figure]:
    numbers = [number for number in rates if number in bare]
    return {
        "per_second": estimate([rates[number] for number in numbers]),
        "ratio": estimate(ratios([rates[number] for number in numbers], [bare[number] for number in numbers])),
    }


def main() -> None:
    result: dict[str, Any] = {"rounds": _ROUNDS, "peers": {peer.shown: {} for peer in PEERS}}
    with run_redis() as redis:
        for worker_class in ("sync", "gevent"):
            # The near ones last: of the app alone, the rounds with them are shown.
            for peers, rounds in (((BARE, *AGENTS), _ROUNDS_OF_AGENTS), (NEAR, _ROUNDS)):
                for path, of_peers in measure(peers, rounds, worker_class, redis).items():
                    case = f"{worker_class}, {_ENDPOINTS[path]}"
                    for peer, rates in of_peers.items():
                        if rates:
                            result["peers"][peer.shown][case] = _compare(rates, of_peers[BARE])
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
