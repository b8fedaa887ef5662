# SPDX-License-Identifier: Apache-2.0
"""The root of a worker: it puts the parts together, once per process, and owns fork and lifecycle.

`APMMiddleware` starts it at the first request, server hooks may do so earlier; after a fork the child begins anew.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from wsgiapm import clock, last_harvest, log, native
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.instance import Instance
from wsgiapm.aggregate.solitude import announce
from wsgiapm.config import Resolved, Settings, resolve, shared_directory
from wsgiapm.coroner import FindStatus
from wsgiapm.farewell import say_farewell
from wsgiapm.harvest import Harvester, know_nothing
from wsgiapm.instruments import announce as announce_instruments
from wsgiapm.instruments import install, uninstall_early
from wsgiapm.joining import join_or_count_alone
from wsgiapm.locked_recorder import check_interpreter, make_recorder
from wsgiapm.middleware import Middleware, WSGIApp
from wsgiapm.process_exit import call_at_exit
from wsgiapm.profile.black_box import BlackBox
from wsgiapm.recorder import Recorder
from wsgiapm.self_report import SelfReport
from wsgiapm.special_paths import find_special, preceded_by

_LAST_ROUND_SECONDS = 2.0


class Agent:
    """What one set of settings has running in this process."""

    def __init__(self, resolved: Resolved) -> None:
        """Nothing is opened or started here: this may be the master, and gevent may not have patched yet."""
        self.settings: Settings = resolved.settings
        self.problems = resolved.problems
        self.recorder: Recorder | None = None
        self.failures = 0
        self._self_report = SelfReport(len(resolved.problems))
        self._harvester: Harvester | None = None
        self._black_box = BlackBox()
        self._stopped = False
        self._given_up = False

    def start(self) -> Recorder | None:
        """Return the recorder, joining the instance first if need be; None when that is impossible."""
        if self._stopped or self._given_up or not self.settings.enabled:
            return None
        with _process.lock:
            if self.recorder is None and not self._stopped:
                try:
                    self._start()
                except Exception as error:  # a gate
                    self._given_up = True
                    announce(f"{shared_directory(self.settings)}: an internal error, nothing is counted: {error!r}")
                    self.failed(layout.AGENT_ERRORS)
            return self.recorder

    def _start(self) -> None:
        settings = self.settings
        log.configure(settings.log_file or None, settings.log_level)
        for problem in self.problems:
            log.error("setting %s: %s", problem.name, problem.message)
        try:
            disabled, failed = settings.disabled_instruments, partial(self.failed, layout.INSTRUMENT_ERRORS)
            install(disabled, failed, settings.uploaded_sql)
        except Exception:  # a gate
            self.failed(layout.INSTRUMENT_ERRORS)
        check_interpreter()
        instance = join_or_count_alone(settings, _process.find_status)
        announce_instruments(aloud=instance.segment.number <= 0 and _process.speaks())
        self._self_report.open(instance, hooked=_process.hooked)
        quota, errors, slow = settings.max_series, settings.error_status, settings.slow_sql_threshold
        recorder = make_recorder(instance, max_series=quota, error_status=errors, slow_sql=slow)
        self._harvester = Harvester(instance, settings, recorder, _process.find_status)
        self.recorder = recorder
        self._install_black_box(instance)
        self._harvester.restored = partial(self._install_black_box, instance)
        self._harvester.describe = self._self_report.write
        if settings.harvest_mode == "thread":
            try:
                self._harvester.start()
            except RuntimeError as error:
                self._self_report.threads = False
                self._self_report.write()
                if _process.speaks():
                    log.warning("no harvest thread could be started (%s); run: wsgiapm harvest", error)
        if not self._harvester.started:
            recorder.look_after(self._harvester.look_after)

    def _install_black_box(self, instance: Instance) -> None:
        if instance.directory is not None:
            self._black_box.install_or_say_why(instance.directory, instance.segment.number)

    def failed(self, gate: int = layout.MIDDLEWARE_ERRORS) -> None:
        """Count and report the exception that is being handled, caught at a gate: the app must not notice it."""
        self.failures += 1
        self._self_report.count_error(gate)
        error = sys.exc_info()[1]
        place = error.__traceback__ if error is not None else None
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{os.path.basename(place.tb_frame.f_code.co_filename)}:{place.tb_lineno}" if place else "?"
        log.once(f"agent {where} {type(error)}", "ERROR", "internal error at %s, please report it: %r", where, error)

    def stop(self) -> None:
        """Stop for good: requests that have begun are still counted, new ones are not."""
        with _process.lock:
            self._stopped = True
            self._end()
            self.recorder = None

    def end(self) -> None:
        """Write the last gauges of a process that is about to end; what still runs or comes is still counted."""
        with _process.lock:
            self._end()

    def _end(self) -> None:
        if self._harvester is not None:
            self._harvester.stop()
            self._attempt(self._harvester.end)
            if self.recorder is not None:
                say_farewell(self.recorder.instance)

    def refresh(self) -> None:
        """Write the gauges of this process, as its harvest thread does where it has one."""
        if self._harvester is not None:
            self._attempt(self._harvester.refresh)

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception:  # a gate
            self.failed(layout.AGENT_ERRORS)

    def finish(self, seconds: float) -> None:
        """Upload once more before the process ends, unless a hook has seen to that; takes at most so many seconds."""
        if self._harvester is not None:
            self._attempt(partial(self._harvester.finish, seconds))
            if self.recorder is not None:
                say_farewell(self.recorder.instance)

    def forget(self) -> None:
        """In a forked child: let go of what belongs to the parent, which goes on counting the requests it has begun."""
        recorder, self.recorder = self.recorder, None
        self._black_box.leave()
        self._self_report.close()
        self._harvester = None
        self._given_up = False
        if recorder is not None:
            self._attempt(recorder.leave)


class _Process:
    """What there is once in a process: its agents, and the lock under which they start and stop."""

    def __init__(self) -> None:
        self.agents: dict[Settings, Agent] = {}
        self.lock = native.allocate_lock()
        self.find_status: FindStatus = know_nothing
        self.hooked, self.pid = False, os.getpid()
        self.before_request: Callable[[], None] | None = None
        self.speaks: Callable[[], bool] = lambda: True

    def agent_for(self, resolved: Resolved) -> Agent:
        agent = self.agents.get(resolved.settings)
        if agent is None:
            agent = self.agents.setdefault(resolved.settings, Agent(resolved))
        return agent

    def begin_anew(self) -> None:
        """In a forked child, where another thread of the parent may have held the lock."""
        self.lock = native.allocate_lock()
        self.pid = os.getpid()
        for agent in self.agents.values():
            agent.forget()

    def finish(self) -> None:
        """At the clean end of a process, also where no server's hook tells of it."""
        deadline = clock.monotonic_ns() + int(_LAST_ROUND_SECONDS * 1e9)
        for agent in list(self.agents.values()):
            agent.finish(max(deadline - clock.monotonic_ns(), 0) / 1e9)


_process = _Process()
os.register_at_fork(after_in_child=_process.begin_anew)
call_at_exit(_process.finish)


class APMMiddleware(Middleware):
    """Wrap a WSGI app so that its requests are recorded: `application = APMMiddleware(application)`.

    Every setting can be given as a keyword (`app_name="shop"`, `apdex_t=0.3`). With `enabled=False` the app itself is
    returned. Raises TypeError for a keyword that is no setting.
    """

    made = False  # by the app itself, in this process

    def __new__(cls, app: WSGIApp, **settings: object) -> Any:
        """Return the middleware, or the app itself when the agent is disabled."""
        resolved = resolve(settings)
        APMMiddleware.made |= cls is APMMiddleware
        if not resolved.settings.enabled:
            return app
        middleware = super().__new__(cls)
        agent = _process.agent_for(resolved)
        special = find_special(app, agent.settings, agent)
        if _process.before_request is not None:
            special = preceded_by(_process.before_request, special)
        Middleware.__init__(middleware, app, agent, special)
        return middleware.__call__  # a bound method is called at half the price of an object

    def __init__(self, app: WSGIApp, **settings: object) -> None:
        """Do nothing: `app` may be a middleware itself, and is not to be made anew when it is returned as it is."""


def start(**settings: object) -> None:
    """Start the agent in this process, once; keywords are settings. Raises TypeError for one that is not."""
    _process.agent_for(resolve(settings)).start()


def stop() -> None:
    """Stop all agents of this process, for good; requests that have begun are still counted, new ones are not."""
    for agent in list(_process.agents.values()):
        agent.stop()


def start_all() -> None:
    """Start the agents of all middlewares in this process, or the one of the plain settings if none has been made."""
    _process.hooked = True
    for agent in list(_process.agents.values()) or ([] if APMMiddleware.made else [_process.agent_for(resolve())]):
        agent.start()
    uninstall_early()


def failed(gate: int) -> None:
    """Count and report the exception that is being handled, where there may be no agent yet; `gate`: see `layout.GATES`."""
    (list(_process.agents.values()) or [Agent(resolve())])[0].failed(gate)


def adapt_to_server(before_request: Callable[[], None], speaks: Callable[[], bool]) -> None:
    """Say what middlewares made later do before each request (never raising), and whether we speak in the log for all."""
    _process.hooked, _process.before_request, _process.speaks = True, before_request, speaks


def notice_fork() -> bool:
    """Begin anew if this process was forked and the interpreter was not told; returns whether it was."""
    forked = os.getpid() != _process.pid
    if forked:
        _process.begin_anew()
    return forked


def refresh_all() -> None:
    """Write the gauges of this process, where no harvest thread does."""
    for agent in list(_process.agents.values()):
        agent.refresh()


def finish_all() -> None:
    """Upload once more before this process ends, in a moment or not at all."""
    _process.finish()


def end_all() -> None:
    """Write the last gauges of this process, which is about to end."""
    for agent in list(_process.agents.values()):
        agent.end()


def any_agent() -> Agent:
    """Return the agent that records what comes by no middleware: the first one of this process."""
    return next(iter(_process.agents.values()), None) or _process.agent_for(resolve())


def recorders() -> list[Recorder]:
    """Return those of all agents that have been started in this process."""
    return [agent.recorder for agent in list(_process.agents.values()) if agent.recorder is not None]


def find_exit_statuses_by(find_status: FindStatus) -> None:
    """Say who knows how other processes ended: `find_status(pid)` returns what os.waitpid gave, or None."""
    _process.find_status = find_status


def known_settings() -> list[Settings]:
    """Return the settings of all middlewares in this process, or the plain ones if there are none."""
    return list(_process.agents) or [resolve().settings]


def harvest_last(seconds: float) -> None:
    """Merge and upload once more, in a process that outlives the workers; takes at most so many seconds."""
    last_harvest.harvest_last(known_settings, _process.find_status, seconds)
