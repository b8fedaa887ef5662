# SPDX-License-Identifier: Apache-2.0
"""Processes that count where nobody looks: on their own, or in a directory that has been removed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from wsgiapm.doctor.finding import Finding, Patient, found


def examine(patient: Patient) -> Iterator[Finding]:
    """Report what the system says of their memory."""
    removed = sorted(
        {counting.pid for counting in patient.counting if counting.removed and counting.directory == patient.path}
    )
    current = {counting.pid for counting in patient.counting if not counting.removed and not counting.alone}
    lost = [pid for pid in removed if pid not in current]
    if lost:
        yield found("directory-removed", f"{patient.path} was removed under running processes: {_list(lost)}")
    alone = defaultdict(list)
    for counting in patient.counting:
        if patient.path in counting.alone:  # every reason names the directory it is about
            alone[counting.alone].append(counting.pid)
    for reason, pids in sorted(alone.items()):
        yield found("counts-alone", f"{_list(sorted(pids))} counts on its own: {reason}")


def _list(pids: list[int]) -> str:
    return f"process {pids[0]}" if len(pids) == 1 else "each of the processes " + ", ".join(map(str, pids))
