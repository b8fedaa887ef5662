# SPDX-License-Identifier: Apache-2.0
"""What a worker says of the process it is in, as the bits of one word in its segment: see `layout`, word 44.

It is read from what has been imported and imports nothing itself, so that it may be asked at any time.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from wsgiapm import native

KNOWN: Final = 1
HOOKED: Final = 2
GUNICORN: Final = 4
UWSGI: Final = 8
NO_THREADS: Final = 16
PATCHED: Final = 32
PATCHED_LATE: Final = 64
TLS_MIXED: Final = 128
ASGI: Final = 256
NO_GLOBAL_LOCK: Final = 512
DIRTY: Final = 1024
BAD_SETTINGS_SHIFT: Final = 16
_BAD_SETTINGS_AT_MOST = 255
# gunicorn imports the module of its worker class, and no other.
_ASGI_WORKERS = ("gunicorn.workers.gasgi", "uvicorn.workers", "uvicorn_worker")


def is_patched() -> bool:
    """Tell whether gevent has replaced the threads of this process."""
    return _is_patched("threading")


def _is_patched(module: str) -> bool:
    monkey: Any = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched(module))


def _tls_is_mixed() -> bool:
    """Tell whether urllib3 holds a class that gevent has replaced since: https then ends in a RecursionError."""
    ssl, urllib3 = sys.modules.get("ssl"), sys.modules.get("urllib3.util.ssl_")
    held = getattr(urllib3, "SSLContext", None)
    return _is_patched("ssl") and held is not None and held is not getattr(ssl, "SSLContext", held)


def serves_asgi() -> bool:
    """Tell whether this is a worker of gunicorn that speaks ASGI to its app."""
    return any(module in sys.modules for module in _ASGI_WORKERS)


def _has_dirty_workers() -> bool:
    """Tell whether this gunicorn has workers for what requests give away: its master has set their address before it forked."""
    client = sys.modules.get("gunicorn.dirty.client")
    return getattr(client, "_dirty_socket_path", None) is not None


def describe(*, hooked: bool, started_patched: bool, threads: bool, bad_settings: int) -> int:
    """Return the word.

    Args:
        hooked: a server's hook has started the agent, not the first request.
        started_patched: gevent had patched this process when the agent started.
        threads: the system gave the thread that was asked for.
        bad_settings: how many settings are not what somebody meant.
    """
    facts = {
        HOOKED: hooked,
        GUNICORN: "gunicorn.arbiter" in sys.modules,
        UWSGI: "uwsgi" in sys.modules,
        NO_THREADS: not threads,
        PATCHED: is_patched(),
        PATCHED_LATE: is_patched() and not started_patched,
        TLS_MIXED: _tls_is_mixed(),
        ASGI: serves_asgi(),
        DIRTY: _has_dirty_workers(),
        NO_GLOBAL_LOCK: not native.has_global_lock(),
    }
    word = KNOWN | min(bad_settings, _BAD_SETTINGS_AT_MOST) << BAD_SETTINGS_SHIFT
    return word | sum(bit for bit, holds in facts.items() if holds)


def bad_settings(word: int) -> int:
    """Return how many settings of the process were bad."""
    return word >> BAD_SETTINGS_SHIFT & _BAD_SETTINGS_AT_MOST
