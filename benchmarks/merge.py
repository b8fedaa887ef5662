# SPDX-License-Identifier: Apache-2.0
"""How long does it take to merge the counters of all workers and write them as text?

Both sides are given the same observations: 17 workers, each with the same histograms. A second table: the same after
workers have been recycled, one after the other.
"""

from __future__ import annotations

from typing import Any

from benchmarks.conversation import Subject
from benchmarks.figures import Figure, estimate, ratios
from benchmarks.peers import OURS, PROMETHEUS, PeerError
from benchmarks.report import is_quick, progress, publish, table

_WORKERS = 17
_SIZES = (100, 1000) if is_quick() else (100, 1000, 5000)
_RECYCLED = 200 if is_quick() else 10_000
_RECYCLED_PEER = 200
_OBSERVATIONS = 10
_MILLISECOND = 1000


def _rounds(series: int) -> int:
    return 3 if is_quick() else 21 if series < 5000 else 5


def _read(subject: Subject, expected: int, *, anew: bool = False, times: int = 1) -> float:
    """Return the milliseconds that one of so many reads takes."""
    answer = subject.ask(do="read", anew=anew, times=times)
    if answer["observations"] != expected:
        msg = f"{answer['observations']} of {expected} observations are in the text"
        raise PeerError(msg)
    return float(answer["seconds"]) * _MILLISECOND


def _compare(series: int) -> dict[str, Any]:
    progress(f"merge: {series} series")
    expected = _WORKERS * series * _OBSERVATIONS
    with (
        Subject(OURS.environment, "benchmarks.merging", "wsgiapm") as ours,
        Subject(PROMETHEUS.environment, "benchmarks.merging", "prometheus") as theirs,
    ):
        for subject in (ours, theirs):
            subject.ask(do="fill", workers=_WORKERS, series=series)
            _read(subject, expected)
        # Turns of about the same length: a read of milliseconds after a pause of seconds would measure cold caches.
        times = max(1, min(50, round(_read(theirs, expected) / _read(ours, expected))))
        pairs = [(_read(ours, expected, times=times), _read(theirs, expected)) for _ in range(_rounds(series))]
        first = estimate([_read(ours, expected, anew=True) for _ in range(3)])
    mine, other = (estimate([pair[side] for pair in pairs]) for side in (0, 1))
    faster = estimate(ratios([b for _, b in pairs], [a for a, _ in pairs]))
    return {"series": series, "ours_ms": mine, "ours_first_ms": first, "prometheus_ms": other, "times": faster}


def _recycle(peer: str, environment: str, times: int) -> dict[str, Any]:
    progress(f"merge: {times} recycled workers of {peer}")
    series = 100
    expected = _WORKERS * series * _OBSERVATIONS
    with Subject(environment, "benchmarks.merging", peer) as subject:
        subject.ask(do="fill", workers=_WORKERS, series=series)
        before = estimate([_read(subject, expected) for _ in range(5)])
        files = subject.ask(do="read", anew=False, times=1)["files"]
        subject.ask(do="recycle", times=times)
        after = estimate([_read(subject, expected + times * _OBSERVATIONS) for _ in range(5)])
        files_after = subject.ask(do="read", anew=False, times=1)["files"]
    return {
        "side": peer, "recycled": times, "before_ms": before, "after_ms": after, "files": files, "files_after": files_after,
    }  # fmt: skip


def main() -> None:
    sizes = [_compare(series) for series in _SIZES]
    recycled = [
        _recycle("wsgiapm", OURS.environment, _RECYCLED),
        _recycle("prometheus", PROMETHEUS.environment, _RECYCLED_PEER),
    ]
    publish("merge", {"workers": _WORKERS, "sizes": sizes, "recycled": recycled}, show, (OURS, PROMETHEUS))


def show(result: Any) -> str:
    """Return the tables of a result."""
    keys = ("ours_ms", "ours_first_ms", "prometheus_ms", "times")
    sizes = [[f"{size['series']:,}", *(Figure(*size[key]).show(1) for key in keys)] for size in result["sizes"]]
    head = [
        "histogram series",
        "wsgiapm, ms",
        "the first time in a process, ms",
        "prometheus_client, ms",
        "times faster",
    ]
    recycled = [
        [
            side["side"],
            f"{side['recycled']:,}",
            *(Figure(*side[key]).show(1) for key in ("before_ms", "after_ms")),
            str(side["files"]),
            str(side["files_after"]),
        ]
        for side in result["recycled"]
    ]
    after = ["", "recycled workers", "before, ms", "after, ms", "files before", "files after"]
    return f"{table(head, sizes)}\n\n{table(after, recycled)}"


if __name__ == "__main__":
    main()
