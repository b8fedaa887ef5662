# SPDX-License-Identifier: Apache-2.0
"""The module gunicorn loads: `benchmarks.served:application` is $BENCH_APP wrapped by the peer $BENCH_PEER.

/facts is answered beside the peer, by what this worker knows of itself.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import threading
import time
from typing import Any

from benchmarks.apps import RowAndCache, hello
from benchmarks.peers import load


def _make_app() -> Any:
    if os.environ["BENCH_APP"] == "flask":
        return _make_flask()
    return _Paths({"/hello": hello, "/row": RowAndCache()})


def _make_flask() -> Any:
    import flask  # type: ignore[import-not-found, unused-ignore]

    app = flask.Flask("benchmark")
    app.route("/hello")(lambda: {"message": "Hello, World!"})
    return app


class _Paths:
    def __init__(self, apps: dict[str, Any]) -> None:
        self._apps = apps

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self._apps[environ["PATH_INFO"]](environ, start_response)


def _private_kib() -> int:
    with open("/proc/self/smaps_rollup", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_"))


_app = _make_app()
# One worker after the other: two that import at once would disturb each other, as each has but one half of the machine.
with open(os.path.join(os.environ["BENCH_DIRECTORY"], "turn"), "w", encoding="ascii") as _turn:
    fcntl.flock(_turn, fcntl.LOCK_EX)
    _modules, _started = len(sys.modules), time.perf_counter()
    _peer = load(os.environ["BENCH_PEER"])
    _wrapped = _peer.wrap(_app)
    _import_ms = (time.perf_counter() - _started) * 1000
    _modules = len(sys.modules) - _modules
_first_ms = 0.0


def _facts() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "recorded": _peer.recorded(),
        "import_ms": _import_ms,
        "first_request_ms": _first_ms,
        "modules": _modules,
        "private_kib": _private_kib(),
        "threads": len(os.listdir("/proc/self/task")),
        "python_threads": threading.active_count(),
        "leads": "requests" in sys.modules,
    }


def application(environ: Any, start_response: Any) -> Any:
    global _first_ms  # noqa: PLW0603
    if environ["PATH_INFO"] == "/facts":
        body = json.dumps(_facts()).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]
    if _first_ms:
        return _wrapped(environ, start_response)
    started = time.perf_counter()
    answer = _wrapped(environ, start_response)
    _first_ms = (time.perf_counter() - started) * 1000
    return answer
