# SPDX-License-Identifier: Apache-2.0
"""The processes that count: what each says of itself in its counter file, and whether anybody harvests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from operator import and_

from wsgiapm import clock, surroundings
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.directory import SharedDirectory
from wsgiapm.aggregate.merge import Totals, Worker
from wsgiapm.config import Resolved
from wsgiapm.doctor.finding import Finding, Patient, found

_MISSED_HARVESTS = 3
_SECOND = 1_000_000_000
_REFUSED = (401, 403)
# What a worker says of itself, and what is to be told of those that say so.
_MARKS = (
    (
        surroundings.NO_GLOBAL_LOCK,
        "no-global-lock",
        "Python has no global lock in {pids}: they count under a lock of their own",
    ),
    (surroundings.ASGI, "asgi-worker", "{count} workers serve an ASGI app, whose requests are not recorded: {pids}"),
    (surroundings.DIRTY, "dirty-workers", "{count} workers may give work to gunicorn's dirty workers: {pids}"),
)


def examine(patient: Patient, directory: SharedDirectory, totals: Totals) -> Iterator[Finding]:
    """Report workers without hooks, threads or harvests, and those that gevent patched too late."""
    live = [worker for worker in totals.workers if worker.live]
    yield found("workers", f"{len(live)} processes count in {patient.path} now, {len(totals.workers)} files in all")
    leader = directory.holder(layout.LEADER_LOCK)
    yield from _examine_harvests(live, leader, patient.resolved)
    yield from _examine_marks(live)
    yield from _examine_uploads([worker for worker in live if worker.header[layout.PID] == leader])


def _examine_marks(live: list[Worker]) -> Iterator[Finding]:
    pids = _ask(live, lambda word: bool(word & surroundings.GUNICORN) and not word & surroundings.HOOKED)
    if pids:
        yield found("no-hooks", f"{len(pids)} workers of gunicorn run without the hooks of wsgiapm: {pids}")
    for mark, name, message in _MARKS:
        pids = _ask(live, partial(and_, mark))
        if pids:
            yield found(name, message.format(count=len(pids), pids=pids))
    pids = _ask(live, lambda word: bool(word & surroundings.TLS_MIXED))
    if pids:
        message = (
            f"gevent patched ssl after urllib3 had been imported, https does not work in {len(pids)} workers: {pids}"
        )
        yield found("gevent-order", message)
    pids = _ask(
        live, lambda word: word & (surroundings.PATCHED_LATE | surroundings.TLS_MIXED) == surroundings.PATCHED_LATE
    )
    if pids:
        yield found("gevent-order", f"gevent patched {len(pids)} workers after the agent had started: {pids}")
    pids = _ask(live, lambda word: surroundings.bad_settings(word) > 0)
    if pids:
        yield found(
            "worker-settings", f"{len(pids)} workers run with bad settings, for which defaults are used: {pids}"
        )


def _ask(live: list[Worker], holds: Callable[[int], object]) -> list[int]:
    """Return the ids of the processes that say so of themselves."""
    words = [(worker.header[layout.PID], worker.header[layout.SURROUNDINGS]) for worker in live]
    return [pid for pid, word in words if word & surroundings.KNOWN and holds(word)]


def _examine_harvests(live: list[Worker], leader: int | None, resolved: Resolved) -> Iterator[Finding]:
    if leader is not None and leader not in {worker.header[layout.PID] for worker in live}:
        return  # somebody outside harvests for them
    late = [worker for worker in live if _since_harvest(worker.header) > _patience(worker.header, resolved)]
    never = [worker for worker in late if not worker.header[layout.LAST_HARVEST]]
    unable = set(_ask(never, lambda word: bool(word & surroundings.UWSGI)))
    if leader is None:  # they refresh their gauges between requests, and nobody uploads
        unable |= set(_ask(live, lambda word: bool(word & surroundings.NO_THREADS)))
    if unable:
        message = f"threads are off in {len(unable)} workers, and nobody harvests for them: {sorted(unable)}"
        yield found("threads-off", message)
    late = [worker for worker in late if worker.header[layout.PID] not in unable]
    if late:
        longest = max(_since_harvest(worker.header) for worker in late)
        numbers = [worker.number for worker in late]
        message = (
            f"{len(late)} of {len(live)} workers no longer harvest, the last time was {longest:.0f} s ago: {numbers}"
        )
        if resolved.settings.harvest_mode == "external":
            yield found("no-harvest", f"{message}; harvest_mode is external", "run `wsgiapm harvest` beside the app")
        else:
            yield found("no-harvest", message)


def _patience(header: memoryview[int], resolved: Resolved) -> float:
    """Return after how many seconds without a harvest a worker is late; it says so itself, unless the settings do."""
    patience = _MISSED_HARVESTS * resolved.settings.harvest_interval
    if resolved.origins["harvest_interval"] != "default" or not header[layout.DUE]:
        return patience
    return max(patience, (header[layout.DUE] - header[layout.LAST_HARVEST]) / _SECOND)


def _since_harvest(header: memoryview[int]) -> float:
    last = header[layout.LAST_HARVEST] or header[layout.CLAIMED_MONOTONIC]
    return (clock.monotonic_ns() - last) / _SECOND


def _examine_uploads(leaders: list[Worker]) -> Iterator[Finding]:
    """Report what the app's own uploads came to: its settings may be others than those seen here."""
    for worker in leaders:
        pid, status = worker.header[layout.PID], worker.header[layout.UPLOAD_STATUS]
        if status in _REFUSED:
            yield found("wrong-token", f"the server answered {status} to the last upload of process {pid}: wrong token")
        elif status == layout.NO_ANSWER:
            yield found("endpoint-refuses", f"the last upload of process {pid} reached no server")
        elif status >= 300:
            yield found("endpoint-refuses", f"the server answered {status} to the last upload of process {pid}")
