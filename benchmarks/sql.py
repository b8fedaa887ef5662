# SPDX-License-Identifier: Apache-2.0
"""What does recording add to a query? One row from SQLite in memory, in one process, without a network.

Every peer answers requests with ten queries and requests with none, in a process of its own; the difference between the
two is the queries', and what it is more than without any peer is what is added. They take turns, as in `request`.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from benchmarks.conversation import Subject
from benchmarks.figures import Figure, differences, estimate, ratios
from benchmarks.peers import AGENTS, BARE, BARE_AGAIN, OURS, Peer, PeerError
from benchmarks.report import is_quick, progress, publish, table, tolerating

PEERS = (BARE, BARE_AGAIN, OURS, *AGENTS)
RECORDING = (OURS, *AGENTS)
QUERIES = 10
_VERIFIED = 50
_WARM_UP = 500
_TURN = 0.03 if is_quick() else 0.06
_ROUNDS = 7 if is_quick() else 61
_MICROSECOND = 1e6


def _verify(peer: Peer, subject: Subject) -> None:
    """Make sure that what the peer records grows by one for each query."""
    subject.ask(do="run", requests=1, queries=QUERIES)  # the first one may start things
    before = subject.ask(do="recorded")
    subject.ask(do="run", requests=_VERIFIED, queries=QUERIES)
    grown = subject.ask(do="recorded") - before
    if grown != _VERIFIED * QUERIES:
        msg = f"{peer.shown} has recorded {grown} of {_VERIFIED * QUERIES} queries: what it costs would mean nothing"
        raise PeerError(msg)


def _turn_length(subject: Subject) -> int:
    wall = subject.ask(do="run", requests=_WARM_UP, queries=QUERIES)["wall"] / _WARM_UP
    return max(50, min(5_000, round(_TURN / float(wall))))


def _start(stack: ExitStack) -> dict[Peer, tuple[Subject, int]]:
    """Return the processes of the peers that work, and how many requests make a turn of each."""
    subjects: dict[Peer, tuple[Subject, int]] = {}
    for peer in PEERS:
        progress(f"sql: starting {peer.shown}")
        with tolerating(peer):
            subject = stack.enter_context(Subject(peer.environment, "benchmarks.sql_subject", peer.name))
            if peer in RECORDING:
                _verify(peer, subject)
            subjects[peer] = subject, _turn_length(subject)
    return subjects


def _turn(subject: Subject, length: int) -> dict[str, float]:
    """Return the microseconds of one query, by either clock."""
    without = subject.ask(do="run", requests=length, queries=0)
    taken = subject.ask(do="run", requests=length, queries=QUERIES)
    return {clock: (taken[clock] - without[clock]) / (length * QUERIES) * _MICROSECOND for clock in taken}


def measure() -> dict[Peer, list[dict[str, float]]]:
    """Return, for each peer, microseconds per query of each round."""
    with ExitStack() as stack:
        subjects = _start(stack)
        rounds: dict[Peer, list[dict[str, float]]] = {peer: [] for peer in subjects}
        for number in range(_ROUNDS):
            if number % 10 == 0:
                progress(f"sql: round {number + 1} of {_ROUNDS}")
            for peer in list(subjects) if number % 2 else reversed(list(subjects)):
                rounds[peer].append(_turn(*subjects[peer]))
    return rounds


def main() -> None:
    rounds = measure()
    publish("sql", _evaluate(rounds), show, [peer for peer in rounds if peer in RECORDING])


def _evaluate(rounds: dict[Peer, list[dict[str, float]]]) -> dict[str, Any]:
    wall, cpu = ({peer: [r[clock] for r in of_peer] for peer, of_peer in rounds.items()} for clock in ("wall", "cpu"))
    added = {peer: differences(times, cpu[BARE]) for peer, times in cpu.items() if peer is not BARE}
    peers: dict[str, Any] = {}
    for peer, times in added.items():
        peers[peer.name + "_again" * (peer is BARE_AGAIN)] = {
            "shown": peer.shown,
            "added_wall_us": estimate(differences(wall[peer], wall[BARE])),
            "added_cpu_us": estimate(times),
            "ratio_to_ours": estimate(ratios(times, added[OURS])),
        }
    agents = [estimate(times).median for peer, times in added.items() if peer in AGENTS]
    cheapest = min(agents, default=0.0) / estimate(added[OURS]).median
    result = {"rounds": _ROUNDS, "bare_us": estimate(wall[BARE]), "peers": peers}
    return {**result, "times_cheaper_than_cheapest_agent": cheapest}


def show(result: Any) -> str:
    """Return the table of a result."""
    rows = []
    for name, of_peer in result["peers"].items():
        figures = [Figure(*of_peer[key]).show() for key in ("added_wall_us", "added_cpu_us")]
        ratio = Figure(*of_peer["ratio_to_ours"]).show() if name not in ("bare_again", OURS.name) else ""
        rows.append([of_peer["shown"], *figures, ratio])
    head = ["what records", "added, µs per query", "CPU of all threads, µs", "times wsgiapm (CPU)"]
    return (
        f"{table(head, rows)}\n\nMedian of {result['rounds']} alternated rounds and its 90 % interval; the query itself takes "
        f"{Figure(*result['bare_us']).show()} µs. The cheapest agent adds {result['times_cheaper_than_cheapest_agent']:.0f} "
        "times the CPU time that wsgiapm does."
    )


if __name__ == "__main__":
    main()
