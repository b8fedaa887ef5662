# SPDX-License-Identifier: Apache-2.0
"""The shared directory itself: whether it is there, ours, of our format and whole."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress

from wsgiapm.aggregate import layout
from wsgiapm.aggregate.directory import SharedDirectory
from wsgiapm.aggregate.index_file import Identity
from wsgiapm.aggregate.instance import Instance, observe
from wsgiapm.aggregate.journal import read_events
from wsgiapm.aggregate.merge import Totals, add_up
from wsgiapm.doctor import losses, processes
from wsgiapm.doctor.catalogue import CATALOGUE
from wsgiapm.doctor.finding import Finding, Patient, found
from wsgiapm.errors import SharedDirectoryError

_LISTED_AT_MOST = 8
_LOST_WITH = {
    "locks": "nobody can tell who lives, so workers that start now count on their own",
    "journal": "events that were in it, such as the last words of workers, are lost; the counters are complete",
    "black-box": "a worker that crashes does not name the line",
}


def examine(patient: Patient) -> Iterator[Finding]:
    """Report a directory that is missing, unusable or another app's, and everything that is seen in it."""
    if not os.path.lexists(patient.path):
        message = f"the shared directory is missing, no process of the app has recorded anything: {patient.path} does not exist"
        yield found("no-directory", message, CATALOGUE["no-directory"].remedy + _elsewhere(patient))
        return
    format_version = _format_version(patient.path)
    if format_version not in (None, layout.VERSION):
        message = (
            f"{patient.path} has the file format {format_version}, the wsgiapm installed here has {layout.VERSION}"
        )
        yield found("other-format", message)
        return
    try:
        instance = observe(patient.path)
    except SharedDirectoryError as error:
        owner = _foreign_owner(patient.path)
        if owner is None:
            yield found("directory-unusable", str(error))
        else:
            yield found("directory-not-ours", f"{patient.path} belongs to uid {owner}, this is uid {os.geteuid()}")
        return
    except OSError as error:
        message = f"{patient.path} cannot be read: {error.strerror}"
        yield found("directory-unusable", message, "run this command as the user of the app")
        return
    try:
        yield from _examine_instance(patient, instance)
    finally:
        instance.close()


def _examine_instance(patient: Patient, instance: Instance) -> Iterator[Finding]:
    directory = instance.directory
    assert directory is not None
    try:
        totals = add_up(instance.index, directory, instance.header.epoch)
    except (OSError, SharedDirectoryError) as error:
        yield found("directory-unusable", f"{patient.path} cannot be read: {error}")
        return
    yield from _examine_owner(patient, instance)
    yield from _examine_damage(patient.path, directory.descriptor, totals)
    yield from _examine_others(patient.path, instance, directory)
    yield from losses.examine(instance, totals)
    with suppress(SharedDirectoryError):  # the file of locks cannot be used, which has been said
        yield from processes.examine(patient, directory, totals)


def _foreign_owner(path: str) -> int | None:
    """Return whose directory it is, when it is another user's and we are not root."""
    status = os.lstat(path)
    is_foreign = stat.S_ISDIR(status.st_mode) and os.geteuid() not in (0, status.st_uid)
    return status.st_uid if is_foreign else None


def _format_version(path: str) -> int | None:
    """Return the format of the files; None when that cannot be told."""
    try:
        descriptor = os.open(os.path.join(path, "index"), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        page = os.read(descriptor, layout.INDEX_HEADER.size)
    except OSError:  # no file
        return None
    finally:
        os.close(descriptor)
    if len(page) < layout.INDEX_HEADER.size or not page.startswith(layout.INDEX_MAGIC):
        return None
    return int(layout.INDEX_HEADER.unpack(page)[1])


def _elsewhere(patient: Patient) -> str:
    """Say which directories there are instead: those that processes count in, and those beside ours."""
    others = {counting.directory for counting in patient.counting if counting.directory and not counting.removed}
    parent = os.path.dirname(patient.path)
    if os.path.basename(parent).startswith("wsgiapm-"):
        try:
            with os.scandir(parent) as entries:
                others |= {entry.path for entry in entries if entry.is_dir(follow_symlinks=False)}
        except OSError:
            pass
    if not others:
        return ""
    more = ", ..." if len(others) > _LISTED_AT_MOST else ""
    return f"; there are: {', '.join(sorted(others)[:_LISTED_AT_MOST])}{more} (name one with --shared-dir)"


def _examine_owner(patient: Patient, instance: Instance) -> Iterator[Finding]:
    settings = patient.resolved.settings
    ours = Identity(settings.app_name, settings.environment, settings.instance_name)
    theirs = instance.header.identity
    if patient.named and patient.resolved.origins["app_name"] == "default":
        return  # it was asked for this directory, whosever it is
    if ours != theirs:
        message = (
            f"{patient.path} belongs to app_name={theirs.app!r} environment={theirs.environment!r} "
            f"instance_name={theirs.instance!r}, the settings seen here are {ours.app!r}, {ours.environment!r}, "
            f"{ours.instance!r}: two apps on one directory; a process with these settings counts on its own"
        )
        yield found("other-app", message)


def _examine_damage(path: str, descriptor: int, totals: Totals) -> Iterator[Finding]:
    for number in totals.damaged:
        message = f"{path}/{layout.segment_name(number)} is damaged or unreadable and is left out of all sums"
        yield found("damaged-file", message)
    for name in sorted(os.listdir(descriptor)):
        if name.startswith("damaged-"):
            yield found("set-aside-file", f"{path}/{name} was no counter file of this instance and has been set aside")


def _examine_others(path: str, instance: Instance, directory: SharedDirectory) -> Iterator[Finding]:
    """Report files beside the counters that cannot be used: no count is lost with them, but all that they are for."""
    for name in sorted(os.listdir(directory.descriptor)):
        kind, _, number = name.rpartition("-") if "-" in name else (name, "", "")
        if kind not in _LOST_WITH:
            continue
        try:
            damaged = kind == "journal" and read_events(directory, int(number), instance.header.epoch).damaged
            os.close(directory.open(name))
        except FileNotFoundError:
            continue
        except (OSError, SharedDirectoryError, ValueError) as error:
            yield found(
                "damaged-file", f"{error}; with it {_LOST_WITH[kind]}", f"remove {path}/{name}, then restart the app"
            )
        else:
            if damaged:
                remedy = "nothing is to be done, its process begins it anew; find out who wrote into it"
                yield found("damaged-file", f"{path}/{name} is damaged: {_LOST_WITH[kind]}", remedy)
