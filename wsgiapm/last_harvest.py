# SPDX-License-Identifier: Apache-2.0
"""The last harvest of an instance, in a process that outlives the workers and counts nothing itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial

from wsgiapm import native
from wsgiapm.aggregate.instance import observe
from wsgiapm.config import Settings, shared_directory
from wsgiapm.errors import SharedDirectoryError
from wsgiapm.harvest import Harvester, guard
from wsgiapm.last_words import FindStatus


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
