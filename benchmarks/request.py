# SPDX-License-Identifier: Apache-2.0
"""How much does the middleware add to a request? A bare WSGI app in one process, without a network.

Every peer answers in a process of its own; they take turns, so that whatever disturbs the machine disturbs all of them.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from benchmarks.conversation import Subject
from benchmarks.figures import Figure, differences, estimate, ratios
from benchmarks.peers import AGENTS, BARE, BARE_AGAIN, OURS, PASS_THROUGH, PROMETHEUS, Peer
from benchmarks.report import is_quick, publish, table

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
        raise SystemExit(msg)


def _turn_length(subject: Subject) -> int:
    wall = subject.ask(do="run", requests=_WARM_UP)["wall"] / _WARM_UP
    return max(50, min(20_000, round(_TURN / float(wall))))


def measure() -> list[list[dict[str, float]]]:
    """Return, for each peer, microseconds per request of each round."""
    with ExitStack() as stack:
        subjects = [stack.enter_context(Subject(p.environment, "benchmarks.subject", p.name)) for p in PEERS]
        for peer, subject in zip(PEERS, subjects, strict=True):
            if peer in RECORDING:
                _verify(peer, subject)
        lengths = [_turn_length(subject) for subject in subjects]
        rounds: list[list[dict[str, float]]] = [[] for _ in PEERS]
        for number in range(_ROUNDS):
            order = range(len(PEERS)) if number % 2 else reversed(range(len(PEERS)))
            for i in order:
                taken = subjects[i].ask(do="run", requests=lengths[i])
                rounds[i].append({k: v / lengths[i] * _MICROSECOND for k, v in taken.items()})
        for peer, subject in zip(PEERS, subjects, strict=True):
            if peer in RECORDING:
                _verify(peer, subject)
    return rounds


def main() -> None:
    rounds = measure()
    bare = [r["wall"] for r in rounds[0]]
    # The ratios are of CPU time, of all threads: it hardly minds who else is at work on the machine.
    added = {
        peer.shown: differences([r["cpu"] for r in of_peer], [r["cpu"] for r in rounds[0]])
        for peer, of_peer in zip(PEERS[1:], rounds[1:], strict=True)
    }
    prometheus = added[PROMETHEUS.shown]
    result: dict[str, Any] = {"rounds": _ROUNDS, "bare_us": estimate(bare), "peers": {}}
    rows = []
    for peer, of_peer in zip(PEERS[1:], rounds[1:], strict=True):
        wall = estimate(differences([r["wall"] for r in of_peer], bare))
        cpu = estimate(added[peer.shown])
        ratio = estimate(ratios(added[peer.shown], prometheus))
        result["peers"][peer.name + "_again" * (peer is BARE_AGAIN)] = {
            "added_wall_us": wall, "added_cpu_us": cpu, "ratio_to_prometheus": ratio,
        }  # fmt: skip
        rows.append([peer.shown, wall.show(), cpu.show(), _ratio(peer, ratio)])
    ours, cheapest = (estimate(added[p.shown]).median for p in (OURS, _cheapest_agent(added)))
    result["times_cheaper_than_cheapest_agent"] = cheapest / ours
    shown = table(
        [
            "what is added to nothing",
            "added, µs per request",
            "CPU of all threads, µs",
            "times prometheus_client (CPU)",
        ],
        rows,
    )
    shown += (
        f"\n\nMedian of {_ROUNDS} alternated rounds and its 90 % interval; nothing itself takes {estimate(bare).show()} µs. "
        f"The cheapest agent adds {cheapest / ours:.0f} times the CPU time that wsgiapm does."
    )
    publish("request", result, shown, RECORDING)


def _ratio(peer: Peer, ratio: Figure) -> str:
    return "" if peer is BARE_AGAIN else ratio.show()


def _cheapest_agent(added: dict[str, list[float]]) -> Peer:
    return min(AGENTS, key=lambda peer: estimate(added[peer.shown]).median)


if __name__ == "__main__":
    main()
