# SPDX-License-Identifier: Apache-2.0
"""The shared directory and the counters in it."""

from __future__ import annotations

import os
from collections.abc import Iterator

from wsgiapm import clock
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.index_file import Identity
from wsgiapm.aggregate.instance import Instance, observe
from wsgiapm.aggregate.merge import Totals, add_up, take_snapshot
from wsgiapm.aggregate.resource import Resource
from wsgiapm.aggregate.schema import DROPPED, OTHER, REQUEST_DURATION, ROUTE
from wsgiapm.aggregate.snapshot import HistogramPoint
from wsgiapm.config import Settings
from wsgiapm.doctor.finding import Finding, Patient
from wsgiapm.errors import SharedDirectoryError

_MISSED_HARVESTS = 3
_SECOND = 1_000_000_000
_REMOVE = "stop the app, remove the directory, and start the app again"


def examine(patient: Patient) -> Iterator[Finding]:
    """Report a directory that is missing, unusable or another app's, damage, drops, and harvests that stay away."""
    if not os.path.lexists(patient.path):
        message = f"no process of the app has recorded anything: {patient.path} does not exist"
        remedy = (
            "start the app with its middleware (application = APMMiddleware(application)) and send it a request; if it runs, "
            "give this command the same user and settings (app_name, shared_dir) as the app"
        )
        yield Finding("no-directory", "warning", message, remedy)
        return
    try:
        instance = observe(patient.path)
        directory = instance.directory
        if directory is None:
            return
        totals = add_up(instance.index, directory, instance.header.epoch)
    except SharedDirectoryError as error:
        yield Finding("directory-unusable", "error", str(error), "see the message; then restart the app")
        return
    except OSError as error:
        message = f"{patient.path} cannot be read: {error.strerror}"
        yield Finding("directory-unusable", "error", message, "run this command as the user of the app")
        return
    settings = patient.resolved.settings
    yield from _examine_owner(patient.path, instance, settings)
    yield from _examine_damage(patient.path, directory.descriptor, totals)
    yield from _examine_drops(instance, totals)
    yield from _examine_harvests(patient.path, totals, settings)


def _examine_owner(path: str, instance: Instance, settings: Settings) -> Iterator[Finding]:
    ours = Identity(settings.app_name, settings.environment, settings.instance_name)
    theirs = instance.header.identity
    if ours != theirs:
        message = (
            f"{path} belongs to app_name={theirs.app!r} environment={theirs.environment!r} "
            f"instance_name={theirs.instance!r}; a process with the settings seen here counts on its own"
        )
        yield Finding("other-app", "error", message, "give each app a shared_dir of its own, or none, and restart")


def _examine_damage(path: str, descriptor: int, totals: Totals) -> Iterator[Finding]:
    for number in totals.damaged:
        message = f"{path}/{layout.segment_name(number)} is damaged or unreadable and is left out of all sums"
        yield Finding("damaged-file", "error", message, _REMOVE)
    for name in sorted(os.listdir(descriptor)):
        if name.startswith("damaged-"):
            message = f"{path}/{name} was no counter file of this instance and has been set aside"
            yield Finding("set-aside-file", "warning", message, "remove it when you have no more use for it")


def _examine_drops(instance: Instance, totals: Totals) -> Iterator[Finding]:
    for series in instance.index.series:
        position = series.head - layout.FIRST_CELL
        if series.metric != DROPPED or not totals.cells[position]:
            continue
        attributes = dict(series.attributes)
        if attributes["what"] == "event":
            message = f"{totals.cells[position]} events were not kept ({attributes['reason']})"
            yield Finding(
                "dropped-events", "warning", message, "see why uploads do not arrive; the counters are complete"
            )
            continue
        message = (
            f"{_requests_under_other(instance)} requests are counted under (other): no room for another series "
            f"({attributes['reason']}); {len(instance.index.series)} series are known"
        )
        remedy = "raise max_series or shared_max_bytes; routes with ids in them make a series for each id"
        yield Finding("dropped-series", "warning", message, remedy)


def _requests_under_other(instance: Instance) -> int:
    families = take_snapshot(instance, Resource()).families
    points = (p for f in families if f.name == REQUEST_DURATION for p in f.points if isinstance(p, HistogramPoint))
    return sum(point.count for point in points if dict(point.attributes).get(ROUTE) == OTHER)


def _examine_harvests(path: str, totals: Totals, settings: Settings) -> Iterator[Finding]:
    live = [worker for worker in totals.workers if worker.live]
    yield Finding("workers", "info", f"{len(live)} processes count in {path} now, {len(totals.workers)} files in all")
    patience = _MISSED_HARVESTS * settings.harvest_interval
    late = [w.number for w in live if _since_harvest(w.header) > patience]
    if late and settings.harvest_mode == "thread":
        message = f"{len(late)} of {len(live)} workers have not harvested for more than {patience:g} s: {late}"
        remedy = (
            "under uwsgi set enable-threads = true; elsewhere look for internal errors in the log; meanwhile "
            "`wsgiapm harvest` uploads in their place"
        )
        yield Finding("no-harvest", "warning", message, remedy)


def _since_harvest(header: memoryview[int]) -> float:
    last = header[layout.LAST_HARVEST] or header[layout.CLAIMED_MONOTONIC]
    return (clock.monotonic_ns() - last) / _SECOND
