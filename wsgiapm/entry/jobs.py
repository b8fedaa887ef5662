# SPDX-License-Identifier: Apache-2.0
"""Workers of job queues: each job is a background task, named by its function.

RQ forks a process for each job, which ends without a word: the worker itself starts the agent too, so that somebody is there
to upload, and the processes of its jobs take over each other's counters. Celery tells of its tasks by signals.
"""

from __future__ import annotations

import sys
from functools import wraps
from types import ModuleType

from wsgiapm.entry.arrivals import Arrival
from wsgiapm.entry.gate import guarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_UNKNOWN = "(unknown)"
_SECOND = 1_000_000_000
_KEPT = "_wsgiapm_run"


def _is_on(name: str) -> bool:
    from wsgiapm import agent  # noqa: PLC0415  # loaded only where there is a worker

    return name not in agent.any_agent().settings.disabled_instruments


def _attend_rq(module: ModuleType) -> None:
    for method, wrap in (("work", _wrap_work), ("perform_job", _wrap_job)):
        kind = next(each for each in module.Worker.__mro__ if method in vars(each))
        original = vars(kind)[method]
        if not hasattr(original, _KEPT):  # else it has been done: there are two ways in
            wrapped = wrap(original)
            vars(wrapped)[_KEPT] = True
            setattr(kind, method, wrapped)


def _wrap_work(work: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(work)
    def begin_work(worker: Any, *args: Any, **kwargs: Any) -> Any:
        guarded(_prepare_to_fork)
        return work(worker, *args, **kwargs)

    return begin_work


def _prepare_to_fork() -> None:
    if _is_on("rq"):
        from wsgiapm.background import prepare_to_fork  # noqa: PLC0415

        prepare_to_fork()


def _wrap_job(perform: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(perform)
    def perform_job(worker: Any, job: Any, *args: Any, **kwargs: Any) -> Any:
        run, done = guarded(_begin_rq, job), None
        try:
            done = perform(worker, job, *args, **kwargs)
        finally:
            if run is not None:
                guarded(_end_rq, worker, job, run, done)
        return done

    return perform_job


def _begin_rq(job: Any) -> Any:
    if not _is_on("rq"):
        return None
    from wsgiapm.background import begin  # noqa: PLC0415

    return begin(_name_of(job), _waited(job.enqueued_at))


def _name_of(job: Any) -> str:
    unreadable = getattr(sys.modules.get("rq.exceptions"), "DeserializationError", ())
    try:
        return str(job.func_name or _UNKNOWN)
    except unreadable:  # RQ will say so
        return _UNKNOWN


def _waited(since: Any) -> int:
    """Return the nanoseconds since a moment, of which RQ's versions say with or without a zone that it is UTC."""
    from datetime import timezone  # noqa: PLC0415

    from wsgiapm import clock  # noqa: PLC0415

    if since is None:
        return 0
    moment = since if since.tzinfo is not None else since.replace(tzinfo=timezone.utc)
    return max(clock.time_ns() - int(moment.timestamp() * _SECOND), 0)


def _end_rq(worker: Any, job: Any, run: Any, done: Any) -> None:
    from wsgiapm import agent  # noqa: PLC0415
    from wsgiapm.background import FAILURE, RETRY, SUCCESS, end  # noqa: PLC0415

    asked_again = type(getattr(job, "_result", None)).__name__ == "Retry"
    if done and not asked_again:
        end(run, SUCCESS)
    else:  # a job that is to run again is queued or scheduled by now
        failed = done is None or job.get_status(refresh=False) in (None, "failed")
        end(run, FAILURE if failed else RETRY)
    if worker.is_horse:
        agent.refresh_all()  # it ends as soon as the job has


def _attend_celery(module: ModuleType) -> None:
    def begun(task: Any, **_kwargs: Any) -> None:
        guarded(_begin_celery, task)

    def ended(task: Any, state: Any, **_kwargs: Any) -> None:
        guarded(_end_celery, task, state)

    module.task_prerun.connect(begun, weak=False, dispatch_uid="wsgiapm")
    module.task_postrun.connect(ended, weak=False, dispatch_uid="wsgiapm")


def _begin_celery(task: Any) -> None:
    if _is_on("celery"):
        from wsgiapm.background import begin  # noqa: PLC0415

        setattr(task.request, _KEPT, begin(str(task.name)))


def _end_celery(task: Any, state: Any) -> None:
    from wsgiapm.background import FAILURE, RETRY, SUCCESS, end  # noqa: PLC0415

    run = vars(task.request).pop(_KEPT, None)
    if run is not None:
        end(run, {"FAILURE": FAILURE, "RETRY": RETRY}.get(str(state), SUCCESS))


ARRIVALS: dict[str, Arrival] = {"rq.worker": _attend_rq, "celery.signals": _attend_celery}
