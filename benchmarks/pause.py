# SPDX-License-Identifier: Apache-2.0
"""How long does a harvest hold up a gevent worker? It leads, has 5,000 series and harvests every second.

The control is the same process without a harvest: what it shows is the machine's.
"""

from __future__ import annotations

from benchmarks.conversation import Subject
from benchmarks.peers import OURS
from benchmarks.report import is_quick, publish, table
from benchmarks.sink import open_sink

_SERIES = 5000
_SECONDS = 4 if is_quick() else 15
_ROUNDS = 1 if is_quick() else 3


def main() -> None:
    worst: dict[str, dict[str, list[float]]] = {}
    with (
        open_sink() as address,
        Subject(OURS.environment, "benchmarks.pausing", str(_SERIES), address) as harvesting,
        Subject(OURS.environment, "benchmarks.pausing", str(_SERIES), "") as quiet,
    ):
        for _ in range(_ROUNDS):
            for name, subject in (("harvesting", harvesting), ("control", quiet)):
                for what, values in subject.ask(do="watch", seconds=_SECONDS).items():
                    worst.setdefault(name, {}).setdefault(what, []).extend(values)
    rows = [
        [what, *(f"{max(worst[name][what]) * 1000:.1f}" for name in ("harvesting", "control"))]
        + [f"{sorted(worst[name][what])[-10] * 1000:.1f}" for name in ("harvesting", "control")]
        for what in ("loop", "request")
    ]
    head = ["longest stop of", "harvesting, ms", "control, ms", "tenth longest, harvesting, ms", "control, ms"]
    result = {
        "series": _SERIES,
        "seconds": _SECONDS * _ROUNDS,
        "worst_ms": {
            n: {w: [round(v * 1000, 3) for v in sorted(x)[-10:]] for w, x in by.items()} for n, by in worst.items()
        },
    }
    publish("pause", result, table(head, rows))


if __name__ == "__main__":
    main()
