# SPDX-License-Identifier: Apache-2.0
"""How much does the middleware add to a request? A bare WSGI app in one process, without a network.

Every peer answers in a process of its own; they take turns, so that whatever disturbs the machine disturbs all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from benchmarks.conversation import Subject
from benchmarks.figures import Figure, differences, estimate, ratios
from benchmarks.peers import AGENTS, BARE, BARE_AGAIN, OURS, PASS_THROUGH, PROMETHEUS, Peer, PeerError
from benchmarks.report import is_quick, progress, publish, table, tolerating

PEERS = (BARE, BARE_AGAIN, PASS_THROUGH, OURS, PROMETHEUS, *AGENTS)
RECORDING = (OURS, PROMETHEUS, *AGENTS)
_VERIFIED = 200
_WARM_UP = 2000
_TURN = 0.03 if is_quick() else 0.06
_ROUNDS = 7 if is_quick() else 61
_MICROSECOND = 1e6


def _verify(peer: Peer, subject: Subject) -> None:
    """Make sure that what the peer records grows by one for each request."""
    subject.ask(do="run", requests=1)  # the first one may start things
    before = subject.ask(do="recorded")
    subject.ask(do="run", requests=_VERIFIED)
    grown = subject.ask(do="recorded") - before
    if grown != _VERIFIED:
        msg = f"{peer.shown} has recorded {grown} of {_VERIFIED} requests: what it costs would mean nothing"
        raise PeerError(msg)


def _turn_length(subject: Subject) -> int:
    wall = subject.ask(do="run", requests=_WARM_UP)["wall"] / _WARM_UP
    return max(50, min(20_000, round(_TURN / float(wall))))


def _start(peers: Sequence[Peer], stack: ExitStack) -> dict[Peer, tuple[Subject, int]]:
    """Return the processes of the peers that work, and how many requests make a turn of each."""
    subjects: dict[Peer, tuple[Subject, int]] = {}
    for peer in peers:
        progress(f"request: starting {peer.shown}")
        with tolerating(peer):
            subject = stack.enter_context(Subject(peer.environment, "benchmarks.subject", peer.name))
            if peer in RECORDING:
                _verify(peer, subject)
            subjects[peer] = subject, _turn_length(subject)
    return subjects


def measure() -> dict[Peer, list[dict[str, float]]]:
    """Return, for each peer, microseconds per request of each round."""
    with ExitStack() as stack:
        subjects = _start(PEERS, stack)
        rounds: dict[Peer, list[dict[str, float]]] = {peer: [] for peer in subjects}
        for number in range(_ROUNDS):
            if number % 10 == 0:
                progress(f"request: round {number + 1} of {_ROUNDS}")
            for peer in list(subjects) if number % 2 else reversed(list(subjects)):
                subject, length = subjects[peer]
                taken = subject.ask(do="run", requests=length)
                rounds[peer].append({k: v / length * _MICROSECOND for k, v in taken.items()})
        for peer, (subject, _) in subjects.items():
            records = peer not in RECORDING
            with tolerating(peer):
                if not records:
                    _verify(peer, subject)
                records = True
            if not records:
                del rounds[peer]
    return rounds


def main() -> None:
    rounds = measure()
    publish("request", _evaluate(rounds), show, [peer for peer in rounds if peer in RECORDING])


def _evaluate(rounds: dict[Peer, list[dict[str, float]]]) -> dict[str, Any]:
    # The ratios are of CPU time, of all threads: it hardly minds who else is at work on the machine.
    wall, cpu = ({peer: [r[clock] for r in of_peer] for peer, of_peer in rounds.items()} for clock in ("wall", "cpu"))
    added = {peer: differences(times, cpu[BARE]) for peer, times in cpu.items() if peer is not BARE}
    prometheus = added.get(PROMETHEUS, [])
    peers: dict[str, Any] = {}
    for peer, times in added.items():
        peers[peer.name + "_again" * (peer is BARE_AGAIN)] = {
            "shown": peer.shown,
            "added_wall_us": estimate(differences(wall[peer], wall[BARE])),
            "added_cpu_us": estimate(times),
            "ratio_to_prometheus": estimate(ratios(times, prometheus)) if prometheus else None,
        }
    agents = [estimate(times).median for peer, times in added.items() if peer in AGENTS]
    cheapest = min(agents, default=0.0) / estimate(added[OURS]).median
    result = {"rounds": _ROUNDS, "bare_us": estimate(wall[BARE]), "peers": peers}
    return {**result, "times_cheaper_than_cheapest_agent": cheapest}


def show(result: Any) -> str:
    """Return the table of a result."""
    rows = []
    for name, of_peer in result["peers"].items():
        ratio = of_peer["ratio_to_prometheus"]
        figures = [Figure(*of_peer[key]).show() for key in ("added_wall_us", "added_cpu_us")]
        rows.append([of_peer["shown"], *figures, Figure(*ratio).show() if ratio and name != "bare_again" else ""])
    head = [
        "what is added to nothing",
        "added, µs per request",
        "CPU of all threads, µs",
        "times prometheus_client (CPU)",
    ]
    return (
        f"{table(head, rows)}\n\nMedian of {result['rounds']} alternated rounds and its 90 % interval; nothing itself takes "
        f"{Figure(*result['bare_us']).show()} µs. The cheapest agent adds {result['times_cheaper_than_cheapest_agent']:.0f} "
        "times the CPU time that wsgiapm does."
    )


if __name__ == "__main__":
    main()
