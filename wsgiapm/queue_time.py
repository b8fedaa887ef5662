# SPDX-License-Identifier: Apache-2.0
"""How long a request waited in front of the worker, from the header the front-end server set.

`X-Request-Start` and `X-Queue-Start` come as seconds (nginx: `t=${msec}`, 1700000000.123), milliseconds (Heroku),
microseconds (Apache: `t=%t`) or nanoseconds, with or without `t=`. The unit follows from the size of the number.
"""

from __future__ import annotations

from collections.abc import Mapping

from wsgiapm import clock

_HEADERS = ("HTTP_X_REQUEST_START", "HTTP_X_QUEUE_START")
# A time in this century is below 10**10 s; each unit is a thousand times finer than the one before.
_LARGEST_SECONDS = 10**10
_UNITS = (10**9, 10**6, 10**3, 1)
_LONGEST_NS = 600 * 10**9


def _parse(value: str) -> int | None:
    """Return wall time in nanoseconds."""
    value = value.strip().removeprefix("t=").strip()
    whole, _, fraction = value.partition(".")
    if not value.isascii() or not whole.isdigit() or len(whole) > 20 or (fraction and not fraction.isdigit()):
        return None
    number = int(whole)
    for step, unit in enumerate(_UNITS):
        if number < _LARGEST_SECONDS * 1000**step:
            return number * unit + int(fraction[:9].ljust(9, "0") if fraction else 0) * unit // 10**9
    return None


def read_queue_time(environ: Mapping[str, object]) -> int:
    """Return the time (nanoseconds) since the front-end server took the request.

    0 when no header says so, or says what cannot be: a time to come, or more than ten minutes ago.
    """
    for header in _HEADERS:
        value = environ.get(header)
        if isinstance(value, str):
            start = _parse(value)
            if start is not None:
                waited = clock.time_ns() - start
                return waited if 0 < waited <= _LONGEST_NS else 0
    return 0
