# SPDX-License-Identifier: Apache-2.0
"""How long does a harvest hold up a gevent worker? It leads, has 5,000 series and harvests every second.

The control is the same process without a harvest: what it shows is the machine's. Both take turns, and the longest pause
of each turn is compared with that of the turn next to it, so that one disturbance decides nothing. Beside it, what can be
measured on a busy machine too: the CPU time for which a harvest keeps the others from running at one stretch.
"""

from __future__ import annotations

from typing import Any

from benchmarks.conversation import Subject
from benchmarks.figures import Figure, differences, estimate
from benchmarks.peers import OURS
from benchmarks.report import is_quick, progress, publish, table
from benchmarks.sink import open_sink

_SERIES = 5000
_SECONDS = 3 if is_quick() else 5
_ROUNDS = 2 if is_quick() else 9
_STRETCHES = 5 if is_quick() else 30
_WHAT = {"loop": "the event loop", "request": "a request"}
_MILLISECOND = 1000


def main() -> None:
    turns: dict[str, list[dict[str, list[float]]]] = {"harvesting": [], "control": []}
    with (
        open_sink() as address,
        Subject(OURS.environment, "benchmarks.pausing", str(_SERIES), address) as harvesting,
        Subject(OURS.environment, "benchmarks.pausing", str(_SERIES), "") as control,
    ):
        for number in range(_ROUNDS):
            progress(f"pause: round {number + 1} of {_ROUNDS}")
            turns["harvesting"].append(harvesting.ask(do="watch", seconds=_SECONDS))
            turns["control"].append(control.ask(do="watch", seconds=_SECONDS))
        stretches = [control.ask(do="stretch") * _MILLISECOND for _ in range(_STRETCHES)]
    result: dict[str, Any] = {
        "series": _SERIES,
        "seconds": _SECONDS * _ROUNDS,
        "stretch_ms": {"figure": estimate(stretches), "shortest": min(stretches)},
        "pauses_ms": {what: _compare(what, turns) for what in _WHAT},
    }
    publish("pause", result, show)


def _compare(what: str, turns: dict[str, list[dict[str, list[float]]]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for place, kind in enumerate(("longest", "hundredth")):
        ours, theirs = ([turn[what][place] * _MILLISECOND for turn in turns[of]] for of in ("harvesting", "control"))
        found[kind] = {
            "harvesting": estimate(ours),
            "control": estimate(theirs),
            "difference": estimate(differences(ours, theirs)),
            "worst": [max(ours), max(theirs)],
        }
    return found


def show(result: Any) -> str:
    """Return the tables of a result."""
    rows = []
    for what, kinds in result["pauses_ms"].items():
        for kind, text in (("longest", "longest pause of a turn"), ("hundredth", "longest hundredth")):
            found = kinds[kind]
            figures = [Figure(*found[key]).show(1) for key in ("harvesting", "control", "difference")]
            rows.append([f"{_WHAT[what]}, {text}", *figures, " / ".join(f"{worst:.1f}" for worst in found["worst"])])
    head = ["what is held up", "harvesting, ms", "control, ms", "difference, ms", "worst turn of both, ms"]
    stretch = result["stretch_ms"]
    return (
        f"{table(head, rows)}\n\nThe longest stretch of a harvest without giving way takes "
        f"{Figure(*stretch['figure']).show(1)} ms of CPU time (on a quiet machine {stretch['shortest']:.1f})."
    )


if __name__ == "__main__":
    main()
