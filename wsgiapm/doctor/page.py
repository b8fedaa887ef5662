# SPDX-License-Identifier: Apache-2.0
"""docs/doctor.md, made from the catalogue.

`python -m wsgiapm.doctor.page > docs/doctor.md` brings it up to date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from wsgiapm.doctor.catalogue import CATALOGUE, Area

_TITLES: Final[dict[Area, str]] = {
    "settings": "Settings",
    "directory": "The shared directory",
    "processes": "The processes that count",
    "delivery": "The way to the server",
}

_HEAD = """\
# wsgiapm doctor

<!-- Made by `python -m wsgiapm.doctor.page`; edit wsgiapm/doctor/catalogue.py instead. -->

```
wsgiapm doctor                                     # with the app's user and settings
WSGIAPM_APP_NAME=shop wsgiapm doctor --json
sudo wsgiapm doctor --shared-dir /dev/shm/wsgiapm-1001/shop   # another user's app, as root
```

It says everything that can make data go missing or be wrong here, and what to do about each. It reads the live files of the app, what the
system tells about its processes, and sends one empty upload; it changes nothing and can be run beside the running app at any time.

Run it as the user of the app and with its settings, because those decide which directory, which server and which token are looked at.
Root may look at the app of any user; whether the app's token is right it learns from the app's own uploads then.
What cannot be seen without root, such as processes of other users, is not reported.

**Exit status**: 0 when nothing is worse than information, 1 from a warning on, 2 when it was called wrongly.

**`--json`** prints `{"findings": [{"id", "severity", "message", "remedy"}]}`. `severity` is `info`, `warning` or `error`. The `id`s below and
these four keys are stable: ids are added, but none changes its meaning. One id may come several times, once for each thing it is about.
`message` and `remedy` are for people, and may be worded better any time.
"""

_TAIL = """
## Errors of the agent itself

An error in wsgiapm never reaches the app. It is caught at one of five gates, written to the log (once an hour for each kind) and counted, in
the worker's own counter file: `middleware`, `agent` (start, end and fork of a process), `instruments`, `harvest`, `bootstrap` (the start
without code changes). `internal-errors` names the gate and the number.

## A process that counts on its own

It has nowhere to write that somebody would look at. So it keeps a page of memory whose name says why, and `/proc/PID/maps` shows it as long as
the process lives: `grep 'wsgiapm .* alone' /proc/[0-9]*/maps`. That is where `counts-alone` comes from.
"""


def _page() -> Iterator[str]:
    yield _HEAD
    for area, title in _TITLES.items():
        yield f"\n## {title}\n\n| finding | severity | what it means | what is lost | what to do |\n|---|---|---|---|---|\n"
        for name, entry in CATALOGUE.items():
            if entry.area == area:
                remedy = entry.remedy[:1].upper() + entry.remedy[1:] + "." if entry.remedy else ""
                yield f"| `{name}` | {entry.severity} | {entry.meaning} | {entry.lost} | {remedy} |\n"
    yield _TAIL


def page() -> str:
    """Return docs/doctor.md."""
    return "".join(_page())


if __name__ == "__main__":
    sys.stdout.write(page())
