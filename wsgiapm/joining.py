# SPDX-License-Identifier: Apache-2.0
"""How a process comes to what it counts in: it joins the instance its settings name, or counts on its own and says so."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from wsgiapm import log
from wsgiapm.aggregate.histogram import nanoseconds
from wsgiapm.aggregate.index import IndexFullError
from wsgiapm.aggregate.index_file import Identity
from wsgiapm.aggregate.instance import BusyError, Instance, alone, join
from wsgiapm.aggregate.patience import patiently
from wsgiapm.aggregate.restoration import is_in_place
from wsgiapm.aggregate.solitude import announce
from wsgiapm.config import Settings, shared_directory
from wsgiapm.coroner import Coroner, FindStatus
from wsgiapm.destination import tell_once
from wsgiapm.errors import SharedDirectoryError

# How often the directory may be removed while a process starts.
_REMOVALS = 3
_UNUSABLE = (OSError, ValueError, IndexFullError)


def join_or_count_alone(settings: Settings, find_status: FindStatus) -> Instance:
    """Return the instance of these settings, or one in this process's own memory when that one cannot be used."""
    identity = Identity(settings.app_name, settings.environment, settings.instance_name)
    path, apdex_t = shared_directory(settings), nanoseconds(settings.apdex_t)
    call_witness = partial(Coroner, find_status=find_status)
    try:
        instance = _take_part(
            partial(join, path, identity, settings.shared_max_bytes),
            lambda instance: instance.begin(apdex_t, call_witness),
        )
    except BusyError:
        reason = f"{path} is being written by a process that does not move on"
    except SharedDirectoryError as error:
        reason = str(error)
    except _UNUSABLE as error:
        reason = f"{path} has no room or cannot be written ({str(error) or 'see shared_max_bytes'})"
    else:
        tell_once(instance, settings)
        return instance
    log.error("%s; this process counts on its own until it is restarted", reason)
    announce(reason)
    instance = alone(identity, settings.shared_max_bytes)
    instance.begin(apdex_t)
    return instance


def _take_part(join_once: Callable[[], Instance], begin: Callable[[Instance], object]) -> Instance:
    for _ in range(_REMOVALS):
        instance = patiently(join_once)
        with ExitStack() as undoing:
            undoing.callback(instance.close)  # else what an earlier owner left there would wait as long as we live
            try:
                patiently(partial(begin, instance))
            except (BusyError, OSError):
                if is_in_place(instance):
                    raise
                continue  # it was removed just now
            undoing.pop_all()
            return instance
    raise BusyError
