# SPDX-License-Identifier: Apache-2.0
"""The services of this machine: a server or worker with its processes, and whether they are monitored."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import psutil

from wsgiapm.aggregate.mappings import Counting, read_mappings
from wsgiapm.discovery.advice import advise
from wsgiapm.discovery.programs import Program, recognise

State = Literal["monitored", "partly", "alone", "not monitored", "unknown"]


class Process(NamedTuple):
    """A process that has been recognised; `counting` is None when it may not be looked into."""

    pid: int
    parent: int
    user: str
    program: Program
    counting: list[Counting] | None


@dataclass(frozen=True, slots=True)
class Service:
    """One app's server or workers. `pid` is that of the process at the top, `workers` are those that do the work."""

    kind: str
    app: str
    user: str
    pid: int
    workers: tuple[int, ...]
    monitored: int
    state: State
    directories: tuple[str, ...]
    note: str
    lines: tuple[str, ...]

    @property
    def pids(self) -> tuple[int, ...]:
        """All its processes."""
        return (self.pid, *self.workers)


def find_services() -> list[Service]:
    """Return all services that can be seen, by the number of their process."""
    return group(list(_find_processes()))


def _find_processes() -> Iterable[Process]:
    for process in psutil.process_iter(["pid", "ppid", "username", "cmdline", "name", "status"]):
        seen = process.info
        program = recognise(seen["cmdline"] or ())
        if program is None and seen["name"] in ("apache2", "httpd") and _has_mod_wsgi(seen["pid"]):
            program = Program("mod_wsgi")
        if program is not None and seen["status"] != psutil.STATUS_ZOMBIE:
            user = seen["username"] or "?"
            yield Process(seen["pid"], seen["ppid"] or 0, user, program, read_mappings(seen["pid"]))


def _has_mod_wsgi(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:
            return any(b"mod_wsgi" in line for line in file)
    except OSError:
        return False


def group(processes: list[Process]) -> list[Service]:
    """Put the processes of one server together: those of one kind below each other."""
    by_pid = {process.pid: process for process in processes}
    families: dict[int, list[Process]] = defaultdict(list)
    for process in processes:
        families[_top(process, by_pid).pid].append(process)
    return [_make_service(by_pid[top], members) for top, members in sorted(families.items())]


def _top(process: Process, by_pid: dict[int, Process]) -> Process:
    while (parent := by_pid.get(process.parent)) is not None and parent.program.kind == process.program.kind:
        process = parent
    return process


def _make_service(top: Process, members: list[Process]) -> Service:
    parents = {member.parent for member in members}
    # What has children of its own kind leads them; the others do the work, if none says of itself that it does.
    workers = [member for member in members if member.program.worker]
    workers = workers or [member for member in members if member.pid not in parents] or [top]
    counting = [one for worker in members for one in worker.counting or ()]
    state, note = _judge(top, workers, members)
    app = top.program.app or next((member.program.app for member in members if member.program.app), "")
    return Service(
        kind=top.program.kind,
        app=app,
        user=top.user,
        pid=top.pid,
        workers=tuple(worker.pid for worker in workers if worker is not top),
        monitored=sum(1 for worker in workers if _shares(worker)),
        state=state,
        directories=tuple(sorted({one.directory for one in counting if one.directory})),
        note=note,
        lines=() if state == "monitored" else advise(top.program, state, top.user),
    )


def _shares(process: Process) -> bool:
    return any(one.directory and not one.removed for one in process.counting or ())


def _judge(top: Process, workers: list[Process], members: list[Process]) -> tuple[State, str]:
    seen = [worker for worker in workers if worker.counting is not None]
    if not seen:
        return "unknown", f"its memory can be seen by root and by {top.user} only"
    alone = [one.alone for worker in seen for one in worker.counting or () if one.alone]
    if alone:
        return "alone", f"counts on its own: {alone[0]}"
    sharing = sum(1 for worker in seen if _shares(worker))
    # A single process may count above others that do not, such as a worker that forks for each job.
    if sharing == len(seen) or (sharing == 0 and any(_shares(member) for member in members)):
        return "monitored", ""
    if sharing:
        return "partly", f"{sharing} of {len(seen)} workers count; the others may wait for their first request"
    if top.program.kind == "asgi":
        return "not monitored", "it speaks ASGI, wsgiapm watches WSGI"
    return "not monitored", "no worker has counters of wsgiapm; if the app has its middleware, send it a request"


def is_root() -> bool:
    """Tell whether everything can be seen."""
    return os.geteuid() == 0
