# SPDX-License-Identifier: Apache-2.0
"""Life inside uwsgi: its forks, its threads and its ends.

Loaded by itself where a name of `wsgiapm` is first used inside uwsgi, or before that by `import = wsgiapm.uwsgi`.
Elsewhere importing it does nothing.

uwsgi forks in C and does not tell the interpreter, so `os.register_at_fork` is silent; it calls `uwsgi.post_fork_hook` instead,
one function, which whoever comes later may replace (`uwsgidecorators` does). So each request compares the process id too.
Applications mounted beside the first one live in interpreters of their own, whose hooks are never called.

Nothing is started in the hook: until a worker has come past it, signals that are to end it or to reload it are lost.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from wsgiapm import native
from wsgiapm.agent import adapt_to_server, finish_all, notice_fork, refresh_all

_NO_THREADS = "uwsgi runs without threads, so its workers count but do not upload: set enable-threads = true"
# It could hold the interpreter's lock while uwsgi forks, and nobody would ever give it back in the worker.
_NO_THREAD_YET = "uwsgi has yet to fork"


class Adaptation:
    """What this interpreter has arranged with uwsgi."""

    def __init__(self, server: Any) -> None:
        """`server` is the module that uwsgi puts into its processes."""
        self._server = server
        self._threads_run = bool(getattr(server, "has_threads", True)) or "gevent" in server.opt
        self._atexit: Callable[[], object] | None = None
        self._pid = 0
        self._word = -1
        self._speaker = 0

    def install(self) -> None:
        """Take uwsgi's hooks, keeping who has them already."""
        adapt_to_server(self._before_request, self._speaks)
        self._server.post_fork_hook = _in_turn(self._after_fork, getattr(self._server, "post_fork_hook", None))
        self._take_atexit()
        self._look_for_threads()
        if not self._threads_run:
            self._word = _make_token()

    def _take_atexit(self) -> None:
        current = getattr(self._server, "atexit", None)
        if current is None or current is not self._atexit:
            self._atexit = self._server.atexit = _in_turn(current, self._at_exit)

    def _look_for_threads(self) -> None:
        if not self._threads_run:
            native.forbid_threads(_NO_THREADS)
        else:
            native.forbid_threads("" if self._server.worker_id() > 0 else _NO_THREAD_YET)

    def _speaks(self) -> bool:
        """Tell whether this is a worker, and the first that asks if all have the same to complain of: no threads."""
        if self._server.worker_id() <= 0:
            return False
        if self._word >= 0 and self._speaker != os.getpid() and _take_token(self._word):
            self._speaker = os.getpid()
        return self._word < 0 or self._speaker == os.getpid()

    def _after_fork(self) -> None:
        """In a new worker, mule or spooler."""
        notice_fork()
        self._look_for_threads()

    def _before_request(self) -> None:
        pid = os.getpid()
        if pid != self._pid:
            self._pid = pid
            self._begin_anew()

    def _begin_anew(self) -> None:
        """At the first request of a process."""
        notice_fork()
        self._look_for_threads()
        self._take_atexit()

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


def _make_token() -> int:
    """Return a descriptor from which one of all processes forked later can read."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.write(writing, b"\0")
    os.close(writing)
    return reading


def _take_token(descriptor: int) -> bool:
    try:
        return bool(os.read(descriptor, 1))
    except OSError:
        return False


_server = sys.modules.get("uwsgi")
if hasattr(_server, "worker_id"):
    Adaptation(_server).install()
