# SPDX-License-Identifier: Apache-2.0
"""An app that kills its worker in several ways."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable
from typing import Any

from wsgiapm import APMMiddleware


def crash() -> None:
    """Read where nothing is."""
    ctypes.string_at(0)


def hold_the_interpreter() -> None:
    """Be stuck in C without giving up the GIL, so that not even a signal handler in Python runs."""
    library, mutex = ctypes.PyDLL(None), ctypes.create_string_buffer(64)
    library.pthread_mutex_lock(mutex)
    library.pthread_mutex_lock(mutex)  # no signal ends this wait


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Do what the path says."""
    deaths = {"/segv": crash, "/stuck": hold_the_interpreter, "/kill": lambda: os.kill(os.getpid(), signal.SIGKILL)}
    path = environ["PATH_INFO"]
    if path in deaths:
        deaths[path]()
    if path == "/slow":
        time.sleep(30)
    start_response("200 OK", [])
    return [b"ok"]


application = APMMiddleware(app, app_name="crashing")
