# SPDX-License-Identifier: Apache-2.0
"""What does a worker have on top? Flask under gunicorn with two workers: time, private memory, threads, shared memory.

Ours is shown twice: a worker that follows, and the one that leads (merges and uploads). Figures are what is more than in
a worker of the app alone; memory is what the worker does not share with others.
"""

from __future__ import annotations

import os
import time
from statistics import median
from typing import Any

from benchmarks.peers import AGENTS, BARE, OURS, PROMETHEUS, Peer
from benchmarks.report import is_quick, progress, publish, table, tolerating
from benchmarks.servers import Server, run_gunicorn
from benchmarks.sink import open_sink

_REQUESTS = 300
_HARVESTS = 4
_ROUNDS = 1 if is_quick() else 3
_WORKERS = 2


def _facts(peer: Peer, endpoint: str) -> list[dict[str, Any]]:
    settings = {"WSGIAPM_HARVEST_INTERVAL": "1s", "BENCH_ENDPOINT": endpoint}
    with run_gunicorn(peer, "sync", "flask", _WORKERS, **settings) as server:
        _warm_up(server)
        time.sleep(_HARVESTS)
        _warm_up(server)
        shared = _shared_kib(server)
        return [{**facts, "shared_kib": shared} for facts in server.facts(_WORKERS)]


def _warm_up(server: Server) -> None:
    for _ in range(_REQUESTS):
        server.get("/hello")


def _shared_kib(server: Server) -> float:
    """Return the room of the files that the workers share, for each worker."""
    directory = server.directory
    files = [os.path.join(place, name) for place, _, names in os.walk(directory) for name in names if name != "log"]
    return sum(os.stat(file).st_blocks for file in files) / 2 / _WORKERS


_WHAT = {
    "import_ms": ("import and wrap, ms", 1),
    "first_request_ms": ("first request, ms", 1),
    "private_kib": ("private memory, MiB", 1024),
    "shared_kib": ("shared files, MiB", 1024),
    "threads": ("threads", 1),
    "modules": ("modules", 1),
}


def main() -> None:
    peers: dict[str, dict[str, float]] = {}
    with open_sink() as endpoint:
        bare = [facts for _ in range(_ROUNDS) for facts in _facts(BARE, endpoint)]
        alone = {key: median(facts[key] for facts in bare) for key in _WHAT}
        for peer in (OURS, PROMETHEUS, *AGENTS):
            progress(f"footprint: {peer.shown}")
            with tolerating(peer):
                workers = [facts for _ in range(_ROUNDS) for facts in _facts(peer, endpoint)]
                for name, some in _kinds(peer, workers).items():
                    peers[name] = {key: median(f[key] for f in some) - alone[key] for key in _WHAT} if some else {}
    publish("footprint", {"alone": alone, "added": peers}, show, (OURS, PROMETHEUS, *AGENTS))


def show(result: Any) -> str:
    """Return the table of a result."""
    rows = [
        [name, *(f"{more[key] / unit:.1f}" if more else "-" for key, (_, unit) in _WHAT.items())]
        for name, more in result["added"].items()
    ]
    return table(["", *(text for text, _ in _WHAT.values())], rows)


def _kinds(peer: Peer, workers: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    if peer is not OURS:
        return {peer.shown: workers}
    return {
        f"{peer.shown}, a worker that follows": [f for f in workers if not f["leads"]],
        f"{peer.shown}, the one that leads": [f for f in workers if f["leads"]],
    }


if __name__ == "__main__":
    main()
