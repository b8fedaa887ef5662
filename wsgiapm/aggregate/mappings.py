# SPDX-License-Identifier: Apache-2.0
"""Which processes of this machine count, and where: what the system says of the files they have mapped.

It needs no help of theirs, and shows what their directories cannot: that one counts on its own, or in files that have
been removed. Processes of others can be seen by root only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

_SEGMENT = re.compile(rb"(/\S.*)/segment-\d+( \(deleted\))?$")
# What a process that counts on its own says of itself: see `solitude`.
_ALONE = re.compile(rb"/memfd:wsgiapm (\d+) alone: (.+?)(?: \(deleted\))?$")
_OURS = (b"/segment-", b"/memfd:wsgiapm ")
_ESCAPE = re.compile(r"\\([0-7]{3})")


class Counting(NamedTuple):
    """A process that counts: in a directory, which may have been `removed`, or `alone`, and why."""

    pid: int
    directory: str = ""
    removed: bool = False
    alone: str = ""


def read_mappings(pid: int) -> list[Counting] | None:
    """Return where a process counts, an empty list when nowhere; None when it has ended, or may not be looked into."""
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:
            names = {line.split(maxsplit=5)[-1].rstrip() for line in file if any(part in line for part in _OURS)}
    except OSError:
        return None
    return list(_read_names(pid, names))


def _read_names(pid: int, names: set[bytes]) -> Iterator[Counting]:
    segments = {(match[1], match[2] is not None) for match in map(_SEGMENT.search, names) if match}
    for directory, removed in sorted(segments):
        path = _ESCAPE.sub(lambda code: chr(int(code[1], 8)), os.fsdecode(directory))
        if removed or os.path.lexists(f"{path}/index") or not os.access(path, os.X_OK):
            yield Counting(pid, path, removed)
    for name in sorted(names):
        alone = _ALONE.search(name)
        if alone is not None and int(alone[1]) == _own_id(pid):
            yield Counting(pid, alone=alone[2].decode(errors="replace"))


def _own_id(pid: int) -> int:
    """Return the id a process has in its own pid namespace."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            found = [line for line in file if line.startswith("NSpid:")]
    except OSError:
        return pid
    return int(found[0].split()[-1]) if found else pid


def find_counting() -> Iterator[Counting]:
    """Give all processes that count, as far as this one may look into them."""
    try:
        names = os.listdir("/proc")
    except OSError:
        return
    for name in names:
        if name.isdigit():
            yield from read_mappings(int(name)) or ()
