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


def die() -> None:
    """Be killed from outside."""
    os.kill(os.getpid(), signal.SIGKILL)


def crash() -> None:
    """Read where nothing is."""
    ctypes.string_at(0)


def hold_the_interpreter() -> None:
    """Be stuck in C without giving up the GIL, so that not even a signal handler in Python runs."""
    library, mutex = ctypes.PyDLL(None), ctypes.create_string_buffer(64)
    library.pthread_mutex_lock(mutex)
    library.pthread_mutex_lock(mutex)  # no signal ends this wait


def grow() -> None:
    """Take memory, a mebibyte at a time, until there is none."""
    hoard = []
    while True:
        hoard.append(b"x" * 2**20)
        time.sleep(0.02)


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Do what the path says."""
    deaths = {"/segv": crash, "/stuck": hold_the_interpreter, "/grow": grow, "/kill": die}
    path = environ["PATH_INFO"]
    if path in deaths:
        deaths[path]()
    if path == "/slow":
        time.sleep(30)
    start_response("200 OK", [])
    return [b"ok"]


application = APMMiddleware(app, app_name="crashing")
