# SPDX-License-Identifier: Apache-2.0
"""Harvesting in a process that counts nothing itself.

In the master, which outlives its workers and harvests last; and in place of their threads, by a command.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial

from wsgiapm import log, native
from wsgiapm.aggregate.instance import observe
from wsgiapm.aggregate.restoration import is_in_place
from wsgiapm.config import Settings, shared_directory
from wsgiapm.coroner import FindStatus
from wsgiapm.errors import SharedDirectoryError
from wsgiapm.harvest import Harvester, guard

# Longer than an upload can take, whatever the server does.
_TURN_ATTEMPTS = 300
_TURN_PAUSE = 0.1


def harvest_last(find_settings: Callable[[], Iterable[Settings]], find_status: FindStatus, seconds: float) -> None:
    """Merge and upload once more, in a process that outlives the workers; is not waited for longer than `seconds`.

    Only counters of this process's own user are read, and only where nobody else is harvesting them.
    """
    done = native.allocate_lock()
    done.acquire()

    def harvest_all() -> None:
        guard(partial(_harvest_each, find_settings, find_status), "the last upload")
        done.release()

    try:
        native.start_thread(harvest_all)
    except RuntimeError:  # no thread is to be had: the next start uploads what there is
        return
    done.acquire(timeout=seconds)


def _harvest_each(find_settings: Callable[[], Iterable[Settings]], find_status: FindStatus) -> None:
    for settings in find_settings():
        _harvest(settings, find_status)


def _harvest(settings: Settings, find_status: FindStatus) -> None:
    if not settings.enabled or not settings.endpoint or settings.harvest_mode != "thread":
        return
    path = shared_directory(settings)
    try:
        if os.lstat(path).st_uid != os.geteuid():
            return
        instance = observe(path)
    except (OSError, SharedDirectoryError):
        return  # there is nothing to upload
    try:
        harvester = Harvester(instance, settings, None, find_status)
        if harvester.leads():
            harvester.run_once()
    finally:
        instance.close()


def run(path: str, settings: Settings, once: bool) -> int:  # noqa: FBT001  # as the command gives it
    """Harvest the directory at `path` in place of the workers' threads; the `wsgiapm harvest` command.

    Returns 0 when the last upload was delivered, else 1. Raises `SharedDirectoryError` when it cannot be read.
    """
    instance = observe(path)
    harvester = Harvester(instance, settings)
    if not settings.endpoint:
        log.error("harvest: endpoint is empty, so there is nowhere to upload to; set WSGIAPM_ENDPOINT")
        return 1
    if once:
        return 0 if _run_in_turn(harvester) else 1
    while True:
        if not is_in_place(instance):  # it was removed; as soon as the workers have put it back we go on there
            with suppress(OSError, SharedDirectoryError):
                instance, old = observe(path), instance
                old.close()
                harvester = Harvester(instance, settings)
        guard(partial(_run_if_leading, harvester), "merging and uploading")
        native.sleep(settings.harvest_interval)


def _run_if_leading(harvester: Harvester) -> None:
    if harvester.leads():
        harvester.run_once()


def _run_in_turn(harvester: Harvester) -> bool:
    for _ in range(_TURN_ATTEMPTS):
        if harvester.takes_turn():
            break
        native.sleep(_TURN_PAUSE)
    return harvester.run_once()
