# SPDX-License-Identifier: Apache-2.0
"""gunicorn as a library: one worker process with threads, and nothing of the user's own gunicorn is read or touched."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from gunicorn.app.base import BaseApplication

THREADS = 16
_PR_SET_PDEATHSIG = 1
# Left behind by a gunicorn this process may have been started from; ours would take them for its own.
_INHERITED = ("GUNICORN_PID", "GUNICORN_FD")


class EmbeddedServer(BaseApplication):  # type: ignore[misc]
    """Serves an application from a socket that already listens.

    Args:
        descriptor: of the socket.
        load: makes the application, in the worker process.
        ready: called in the first worker process when it serves.
        ended: called in a worker process when it ends.
    """

    def __init__(
        self,
        descriptor: int,
        load: Callable[[], Any],
        ready: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self._settings = _settings(descriptor, ready, ended)
        self._load = load
        for name in _INHERITED:
            os.environ.pop(name, None)  # noqa: TID251 -- taken away, not read
        super().__init__(prog="wsgiapm serve")

    def load_config(self) -> None:
        """Set what gunicorn's version knows; no file, environment variable or argument is looked at."""
        for name, value in self._settings.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:
        """Return the application."""
        return self._load()


def _end_with(master: int) -> None:
    """Have the kernel end this worker when the master is killed: an orphan would keep the port from the next server."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != master:
            os._exit(1)


def _settings(descriptor: int, ready: Callable[[], None], ended: Callable[[], None]) -> dict[str, Any]:
    master = os.getpid()

    def post_fork(_server: Any, _worker: Any) -> None:
        _end_with(master)

    def post_worker_init(worker: Any) -> None:
        if worker.age == 1:
            ready()

    def worker_exit(_server: Any, _worker: Any) -> None:
        if os.getpid() != master:
            ended()

    return {
        "bind": [f"fd://{descriptor}"],
        "workers": 1,
        "worker_class": "gthread",
        "threads": THREADS,
        "timeout": 60,
        # Idle connections are kept just long enough for the requests of one page, so a stop need not wait for them.
        "graceful_timeout": 3,
        "keepalive": 1,
        "preload_app": False,
        "max_requests": 0,
        "loglevel": "warning",
        "errorlog": "-",
        "accesslog": None,
        "pidfile": None,
        "proc_name": "wsgiapm serve",
        "forwarded_allow_ips": "127.0.0.1,::1",
        "control_socket_disable": True,
        "post_fork": post_fork,
        "post_worker_init": post_worker_init,
        "worker_exit": worker_exit,
    }
