# SPDX-License-Identifier: Apache-2.0
"""The moment in which a process ends as it means to, while its threads still run."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable


def call_at_exit(function: Callable[[], None]) -> None:
    """Have a function called at the clean end of this process.

    mod_wsgi takes all threads from an interpreter of an app's own before it runs what `atexit` has: one that is woken then
    crashes the process. But it tells of the end before, in every interpreter.
    """
    server = sys.modules.get("mod_wsgi")
    subscribe = getattr(server, "subscribe_shutdown", None)
    if subscribe is not None:
        subscribe(lambda *_, **__: function())
    elif not getattr(server, "application_group", ""):  # the main interpreter
        atexit.register(function)
