# SPDX-License-Identifier: Apache-2.0
"""Life inside uwsgi: its forks, its threads and its ends.

Loaded by itself where a name of `wsgiapm` is first used inside uwsgi, or before that by `import = wsgiapm.uwsgi`.
Elsewhere importing it does nothing.

uwsgi forks in C and does not tell the interpreter, so `os.register_at_fork` is silent; it calls `uwsgi.post_fork_hook` instead,
one function, which whoever comes later may replace (`uwsgidecorators` does). So each request compares the process id too.
Applications mounted beside the first one live in interpreters of their own, whose hooks are never called.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from wsgiapm import clock, native
from wsgiapm.agent import (
    adapt_to_server,
    finish_all,
    known_settings,
    notice_fork,
    refresh_all,
    start_known,
)

_SECOND = 1_000_000_000
_NO_THREADS = "uwsgi runs without threads, so its workers count but do not upload: set enable-threads = true"


class Adaptation:
    """What this interpreter has arranged with uwsgi."""

    def __init__(self, server: Any) -> None:
        """`server` is the module that uwsgi puts into its processes."""
        self._server = server
        self._threads_run = bool(getattr(server, "has_threads", True)) or "gevent" in server.opt
        self._forked = False
        self._atexit: Callable[[], object] | None = None
        self._due = 0

    def install(self) -> None:
        """Take uwsgi's hooks, keeping who has them already."""
        adapt_to_server(self._before_request, self._speaks)
        self._server.post_fork_hook = _in_turn(self._after_fork, getattr(self._server, "post_fork_hook", None))
        self._take_atexit()
        if not self._threads_run:
            native.forbid_threads(_NO_THREADS)

    def _take_atexit(self) -> None:
        current = getattr(self._server, "atexit", None)
        if current is None or current is not self._atexit:
            self._atexit = self._server.atexit = _in_turn(current, self._at_exit)

    def _speaks(self) -> bool:
        """Tell whether we are the first worker, or in an app loaded by each worker the first that has a request."""
        server = self._server
        served = any(worker["requests"] for worker in server.workers())
        return not served and (server.worker_id() <= 1 or not self._forked)

    def _after_fork(self) -> None:
        """In a new worker, mule or spooler. gevent patches later, and before it has, nothing of ours may run."""
        notice_fork()
        self._forked = True
        if self._server.worker_id() > 0 and "gevent" not in self._server.opt:
            start_known()

    def _before_request(self) -> None:
        notice_fork()
        if not self._due or (not self._threads_run and clock.monotonic_ns() > self._due):
            self._look_after_ourselves()

    def _look_after_ourselves(self) -> None:
        """At the first request of the process; without threads, at one now and then."""
        self._take_atexit()
        if not self._threads_run:
            refresh_all()
        interval = min(settings.harvest_interval for settings in known_settings())
        self._due = clock.monotonic_ns() + int(interval * _SECOND)

    def _at_exit(self) -> None:
        """In a worker that ends without being busy, before the interpreter is torn down, if it is."""
        refresh_all()
        finish_all()


def _in_turn(first: Callable[[], object] | None, second: Callable[[], object] | None) -> Callable[[], object]:
    def both() -> None:
        try:
            if first is not None:
                first()
        finally:
            if second is not None:
                second()

    return both


_server = sys.modules.get("uwsgi")
if hasattr(_server, "worker_id"):
    Adaptation(_server).install()
