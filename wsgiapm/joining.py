# SPDX-License-Identifier: Apache-2.0
"""How a process comes to what it counts in: it joins the instance its settings name, or counts on its own and says so."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TypeVar

from wsgiapm import log, native
from wsgiapm.aggregate.histogram import nanoseconds
from wsgiapm.aggregate.index import IndexFullError
from wsgiapm.aggregate.index_file import Identity
from wsgiapm.aggregate.instance import BusyError, Instance, alone, join
from wsgiapm.aggregate.solitude import announce
from wsgiapm.config import Settings, shared_directory
from wsgiapm.coroner import Coroner, FindStatus
from wsgiapm.errors import SharedDirectoryError

# A fifth of a second in all, and only when a process starts.
_ATTEMPTS = 40
_PAUSE = 0.005
_UNUSABLE = (OSError, ValueError, IndexFullError)
_Result = TypeVar("_Result")


def join_or_count_alone(settings: Settings, find_status: FindStatus) -> Instance:
    """Return the instance of these settings, or one in this process's own memory when that one cannot be used."""
    identity = Identity(settings.app_name, settings.environment, settings.instance_name)
    apdex_t = nanoseconds(settings.apdex_t)
    path = shared_directory(settings)
    try:
        instance = _retry(lambda: join(path, identity, settings.shared_max_bytes))
        with ExitStack() as undoing:
            undoing.callback(instance.close)  # else what an earlier owner left there would wait as long as we live
            _retry(lambda: instance.begin(apdex_t, partial(Coroner, find_status=find_status)))
            undoing.pop_all()
    except BusyError:
        reason = f"{path} is being written by a process that does not move on"
    except SharedDirectoryError as error:
        reason = str(error)
    except _UNUSABLE as error:
        reason = f"{path} has no room or cannot be written ({str(error) or 'see shared_max_bytes'})"
    else:
        return instance
    log.error("%s; this process counts on its own until it is restarted", reason)
    announce(reason)
    instance = alone(identity, settings.shared_max_bytes)
    instance.begin(apdex_t)
    return instance


def _retry(step: Callable[[], _Result]) -> _Result:
    # Others found the instance or write its index: a moment.
    for _ in range(_ATTEMPTS):
        try:
            return step()
        except BusyError:  # noqa: PERF203
            native.sleep(_PAUSE)
    return step()
