# SPDX-License-Identifier: Apache-2.0
"""An app whose requests end their worker, each in another way."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from wsgiapm import APMMiddleware


def segv() -> None:
    """Read where nothing is."""
    ctypes.string_at(0)


def stuck() -> None:
    """Be in C without giving up the GIL, so that not even a signal handler in Python runs."""
    library, mutex = ctypes.PyDLL(None), ctypes.create_string_buffer(64)
    library.pthread_mutex_lock(mutex)
    library.pthread_mutex_lock(mutex)  # no signal ends this wait


def busy() -> None:
    """Never come to an end."""
    while True:
        pass


def overflow() -> None:
    """Use up the stack of C, not that of Python."""
    nested: list[Any] = []
    for _ in range(10**6):
        nested = [nested]
    sys.setrecursionlimit(10**9)
    repr(nested)


def memory() -> None:
    """Ask for more than there is."""
    raise MemoryError


def stubborn() -> None:
    """Go on after SIGTERM for longer than the server's patience."""
    time.sleep(600)


DEATHS: dict[str, Callable[[], Any]] = {
    "/kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "/segv": segv,
    "/abort": os.abort,
    "/stuck": stuck,
    "/busy": busy,
    "/overflow": overflow,
    "/memory": memory,
    "/stubborn": stubborn,
    "/leave": lambda: os._exit(7),
    "/exit": lambda: sys.exit(5),
    "/exit-well": sys.exit,
}


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Do what the path says, and say who has survived it."""
    death = DEATHS.get(environ["PATH_INFO"])
    if death is not None:
        death()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


if "OWN_FAULTHANDLER" in os.environ:
    faulthandler.enable(open(os.environ["OWN_FAULTHANDLER"], "a"))  # noqa: SIM115  # as long as the process lives

if os.environ.get("FAIL_TO_BOOT"):
    raise RuntimeError("the password is 123")

application = APMMiddleware(app, app_name="dying")
