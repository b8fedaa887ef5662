# SPDX-License-Identifier: Apache-2.0
"""The interpreter's own threads and locks, also where gevent has replaced them.

Our threads are not greenlets: they must run while the event loop is busy, and must never wait on its locks.
"""

from __future__ import annotations

import _thread
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any

_PARTS_OF_LOOP = ("loop", "resolver", "threadpool", "format_context")


def _original(module: str, name: str, current: Any) -> Any:
    monkey = sys.modules.get("gevent.monkey")
    return current if monkey is None else monkey.get_original(module, name)


get_ident: Callable[[], int] = _original("_thread", "get_ident", _thread.get_ident)
"""Return the identifier of this native thread, also in a greenlet."""


def allocate_lock() -> _thread.LockType:
    """Return a lock that no event loop knows of."""
    lock: _thread.LockType = _original("_thread", "allocate_lock", _thread.allocate_lock)()
    return lock


_forbidden = ""


def forbid_threads(reason: str) -> None:
    """Say why no thread is to be started here; an empty `reason` allows them again."""
    global _forbidden  # noqa: PLW0603
    _forbidden = reason


def allocate_reentrant_lock() -> AbstractContextManager[bool]:
    """Return a lock that no event loop knows of, which its holder can take once more."""
    lock: AbstractContextManager[bool] = _original("_thread", "RLock", _thread.RLock)()
    return lock


def has_global_lock() -> bool:
    """Tell whether only one thread of this interpreter runs at a time, so that `cells[i] += 1` is one step."""
    is_enabled: Callable[[], bool] | None = getattr(sys, "_is_gil_enabled", None)
    return is_enabled is None or is_enabled()


def has_whole_words() -> bool:
    """Tell whether the words of shared memory are little-endian here and stored by one instruction."""
    return sys.byteorder == "little" and sys.maxsize > 1 << 32


def _load_parts_of_loop() -> None:
    # gevent imports these when a thread first waits. Should two threads come to that at once, the second waits for the
    # import, for which gevent makes it a loop, which imports them: it never ends, and holds what it was importing.
    config = getattr(sys.modules.get("gevent"), "config", None)
    for part in _PARTS_OF_LOOP:
        getattr(config, part, None)


def start_thread(function: Callable[[], None]) -> None:
    """Run `function` in a native thread that nobody joins and no interpreter waits for.

    Raises RuntimeError when no thread can be started (at exit, or at the system's limit), or none is to be.
    """
    if _forbidden:
        raise RuntimeError(_forbidden)
    with suppress(ImportError, TypeError, ValueError):  # a setting of gevent's that gevent itself will complain of
        _load_parts_of_loop()
    _original("_thread", "start_new_thread", _thread.start_new_thread)(function, ())


def sleep(seconds: float) -> None:
    """Stop this native thread for a while."""
    _original("time", "sleep", time.sleep)(seconds)
