# SPDX-License-Identifier: Apache-2.0
"""The root of a worker: it puts the parts together, once per process, and owns fork and lifecycle.

`APMMiddleware` starts the agent at the first request; server hooks may do so earlier. After a fork the child begins
anew, with a segment of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from wsgiapm import log, native
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.histogram import nanoseconds
from wsgiapm.aggregate.index import IndexFullError
from wsgiapm.aggregate.index_file import Identity
from wsgiapm.aggregate.instance import BusyError, Instance, alone, join
from wsgiapm.config import Resolved, Settings, resolve, shared_directory
from wsgiapm.errors import SharedDirectoryError
from wsgiapm.harvest import Harvester, report_aborted
from wsgiapm.instruments import install
from wsgiapm.middleware import Middleware, WSGIApp
from wsgiapm.recorder import Recorder
from wsgiapm.special_paths import find_special

# A fifth of a second in all, and only when a process starts.
_ATTEMPTS = 40
_PAUSE = 0.005
_NO_ROOM = (OSError, IndexFullError)
_Result = TypeVar("_Result")


class Agent:
    """What one set of settings has running in this process."""

    def __init__(self, resolved: Resolved) -> None:
        """Nothing is opened or started here: this may be the master, and gevent may not have patched yet."""
        self.settings: Settings = resolved.settings
        self.problems = resolved.problems
        self.recorder: Recorder | None = None
        self.failures = 0
        self._harvester: Harvester | None = None
        self._lock = native.allocate_lock()
        self._stopped = False

    def start(self) -> Recorder | None:
        """Return the recorder, joining the instance first if need be; None when that is impossible."""
        if self._stopped or not self.settings.enabled:
            return None
        with self._lock:
            if self.recorder is None:
                try:
                    self._start()
                except Exception:  # a gate
                    self.failed()
            return self.recorder

    def _start(self) -> None:
        settings = self.settings
        log.configure(settings.log_file or None, settings.log_level)
        for problem in self.problems:
            log.error("setting %s: %s", problem.name, problem.message)
        instance = self._join()
        recorder = Recorder(instance, max_series=settings.max_series, error_status=settings.error_status)
        install(settings.disabled_instruments, self.failed)
        self._harvester = Harvester(instance, settings, recorder)
        self.recorder = recorder
        if settings.harvest_mode == "thread":
            try:
                self._harvester.start()
            except RuntimeError as error:
                log.warning("no harvest thread could be started (%s); run: wsgiapm harvest", error)

    def _join(self) -> Instance:
        settings = self.settings
        identity = Identity(settings.app_name, settings.environment, settings.instance_name)
        apdex_t = nanoseconds(settings.apdex_t)
        path = shared_directory(settings)
        try:
            return _join_patiently(path, identity, settings.shared_max_bytes, apdex_t)
        except BusyError:
            reason = f"{path} is being written by a process that does not move on"
        except SharedDirectoryError as error:
            reason = str(error)
        except _NO_ROOM as error:
            reason = f"{path} has no room or cannot be written ({str(error) or 'see shared_max_bytes'})"
        log.error("%s; this process counts on its own until it is restarted", reason)
        instance = alone(identity, settings.shared_max_bytes)
        instance.begin(apdex_t)
        return instance

    def failed(self) -> None:
        """Count and report the exception that is being handled: the app must not notice it."""
        self.failures += 1
        error = sys.exc_info()[1]
        place = error.__traceback__ if error is not None else None
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{os.path.basename(place.tb_frame.f_code.co_filename)}:{place.tb_lineno}" if place else "?"
        log.once(f"agent {where} {type(error)}", "ERROR", "internal error at %s, please report it: %r", where, error)

    def stop(self) -> None:
        """End the harvest thread and write the last gauges; what was counted stays in the shared directory."""
        with self._lock:
            self._stopped = True
            if self._harvester is not None:
                self._harvester.stop()
                try:
                    self._harvester.refresh()
                except Exception:  # a gate
                    self.failed()

    def note_timeout(self) -> None:
        """Note that the server ends this process because a request took too long."""
        if self.recorder is not None:
            self.recorder.cells[layout.TIMED_OUT] = 1

    def forget(self) -> None:
        """In a forked child: let go of what belongs to the parent."""
        self.recorder = None
        self._harvester = None
        self._lock = native.allocate_lock()


def _join_patiently(path: str, identity: Identity, budget: int, apdex_t: int) -> Instance:
    """Join and begin, waiting a moment while others found the instance or write its index."""
    instance = _retry(lambda: join(path, identity, budget))
    for aborted in _retry(lambda: instance.begin(apdex_t)):
        report_aborted(instance.segment.number, aborted)
    return instance


def _retry(step: Callable[[], _Result]) -> _Result:
    for _ in range(_ATTEMPTS):
        try:
            return step()
        except BusyError:  # noqa: PERF203
            native.sleep(_PAUSE)
    return step()


_agents: dict[Settings, Agent] = {}


def _agent_for(resolved: Resolved) -> Agent:
    agent = _agents.get(resolved.settings)
    if agent is None:
        agent = _agents[resolved.settings] = Agent(resolved)
    return agent


def _after_fork_in_child() -> None:
    for agent in _agents.values():
        agent.forget()


os.register_at_fork(after_in_child=_after_fork_in_child)


class APMMiddleware(Middleware):
    """Wrap a WSGI app so that its requests are recorded: `application = APMMiddleware(application)`.

    Every setting can be given as a keyword (`app_name="shop"`, `apdex_t=0.3`). With `enabled=False` the app itself is
    returned. Raises TypeError for a keyword that is no setting.
    """

    def __new__(cls, app: WSGIApp, **settings: object) -> Any:
        """Return the app itself when the agent is disabled."""
        if not resolve(settings).settings.enabled:
            return app
        return super().__new__(cls)

    def __init__(self, app: WSGIApp, **settings: object) -> None:
        """See the class."""
        agent = _agent_for(resolve(settings))
        super().__init__(app, agent, find_special(app, agent.settings, agent))


def start(**settings: object) -> None:
    """Start the agent in this process; a second call with the same settings does nothing.

    Keywords are settings. Raises TypeError for one that is not.
    """
    _agent_for(resolve(settings)).start()


def stop() -> None:
    """Stop all agents of this process; nothing is recorded in it from now on."""
    for agent in _agents.values():
        agent.stop()


def start_all() -> None:
    """Start the agents of all middlewares in this process, or the one of the plain settings if there are none."""
    if not _agents:
        _agent_for(resolve())
    for agent in list(_agents.values()):
        agent.start()


def note_timeout() -> None:
    """See `Agent.note_timeout`."""
    for agent in _agents.values():
        agent.note_timeout()
