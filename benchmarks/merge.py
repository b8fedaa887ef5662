# SPDX-License-Identifier: Apache-2.0
"""How long does it take to merge the counters of all workers and write them as text?

Both sides are given the same observations: 17 workers, each with the same histograms. A second table: the same after
workers have been recycled, one after the other.
"""

from __future__ import annotations

from typing import Any

from benchmarks.conversation import Subject
from benchmarks.figures import estimate, ratios
from benchmarks.peers import OURS, PROMETHEUS
from benchmarks.report import is_quick, publish, table

_WORKERS = 17
_SIZES = (100, 1000) if is_quick() else (100, 1000, 5000)
_RECYCLED = 200 if is_quick() else 10_000
_RECYCLED_PEER = 200
_OBSERVATIONS = 10
_MILLISECOND = 1000


def _rounds(series: int) -> int:
    return 3 if is_quick() else 21 if series < 5000 else 5


def _read(subject: Subject, expected: int, *, anew: bool = False) -> float:
    answer = subject.ask(do="read", anew=anew)
    if answer["observations"] != expected:
        msg = f"{answer['observations']} of {expected} observations are in the text"
        raise SystemExit(msg)
    return float(answer["seconds"]) * _MILLISECOND


def _compare(series: int) -> tuple[dict[str, Any], list[str]]:
    expected = _WORKERS * series * _OBSERVATIONS
    with (
        Subject(OURS.environment, "benchmarks.merging", "ours") as ours,
        Subject(PROMETHEUS.environment, "benchmarks.merging", "prometheus") as theirs,
    ):
        for subject in (ours, theirs):
            subject.ask(do="fill", workers=_WORKERS, series=series)
            _read(subject, expected)
        pairs = [(_read(ours, expected), _read(theirs, expected)) for _ in range(_rounds(series))]
        first = estimate([_read(ours, expected, anew=True) for _ in range(3)])
    mine, other = (estimate([pair[side] for pair in pairs]) for side in (0, 1))
    times = estimate(ratios([b for _, b in pairs], [a for a, _ in pairs]))
    result = {"series": series, "ours_ms": mine, "ours_first_ms": first, "prometheus_ms": other, "times": times}
    return result, [f"{series:,}", mine.show(1), f"{first.median:.1f}", other.show(1), times.show(1)]


def _recycle(peer: str, environment: str, times: int) -> tuple[dict[str, Any], list[str]]:
    series = 100
    expected = _WORKERS * series * _OBSERVATIONS
    with Subject(environment, "benchmarks.merging", peer) as subject:
        subject.ask(do="fill", workers=_WORKERS, series=series)
        before = estimate([_read(subject, expected) for _ in range(5)])
        files = subject.ask(do="read", anew=False)["files"]
        subject.ask(do="recycle", times=times)
        after = estimate([_read(subject, expected + times * _OBSERVATIONS) for _ in range(5)])
        files_after = subject.ask(do="read", anew=False)["files"]
    result = {"recycled": times, "before_ms": before, "after_ms": after, "files": files, "files_after": files_after}
    return result, [peer, f"{times:,}", before.show(1), after.show(1), str(files), str(files_after)]


def main() -> None:
    sizes = [_compare(series) for series in _SIZES]
    recycled = [
        _recycle("ours", OURS.environment, _RECYCLED),
        _recycle("prometheus", PROMETHEUS.environment, _RECYCLED_PEER),
    ]
    shown = table(
        ["histogram series", "wsgiapm, ms", "the first time in a process, ms", "prometheus_client, ms", "times faster"],
        [row for _, row in sizes],
    )
    shown += "\n\n" + table(
        ["", "recycled workers", "before, ms", "after, ms", "files before", "files after"], [row for _, row in recycled]
    )
    result = {"workers": _WORKERS, "sizes": [r for r, _ in sizes], "recycled": [r for r, _ in recycled]}
    publish("merge", result, shown, (OURS, PROMETHEUS))


if __name__ == "__main__":
    main()
