# SPDX-License-Identifier: Apache-2.0
"""Where a store lies and how long it keeps: the two values of `wsgiapm serve` that the store understands."""

from __future__ import annotations

import os
import re

from wsgiapm.errors import StoreError

_SCHEME = "sqlite:///"
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"([0-9]{1,9})\s*([a-z]*)")
SHORTEST_RETENTION = 3600


def parse_address(address: str) -> str:
    """Return the absolute path of the database file.

    Args:
        address: ``sqlite:///relative.db`` or ``sqlite:////absolute.db``.

    Raises:
        StoreError: the address is of another form.
    """
    path = address.removeprefix(_SCHEME)
    if path == address:
        msg = f"store {address!r} is not an address of the form sqlite:///PATH; write sqlite:////var/lib/wsgiapm.db"
        raise StoreError(msg)
    if not path or path == "/" or "\0" in path or "?" in path:
        msg = f"store {address!r} names no file; write sqlite:///relative.db or sqlite:////absolute.db"
        raise StoreError(msg)
    return os.path.abspath(path)


def parse_retention(text: str) -> int:
    """Return how long to keep, in seconds.

    Args:
        text: a whole number with a unit: ``30d``, ``12h``, ``90min``; a bare number is seconds.

    Raises:
        StoreError: it is no such thing, or shorter than an hour.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    unit = _UNITS.get(match[2] or "s") if match else None
    if match is None or unit is None:
        msg = f"retention {text!r} is not a duration; write a whole number with a unit, as in 30d, 12h or 90min"
        raise StoreError(msg)
    seconds = int(match[1]) * unit
    if seconds < SHORTEST_RETENTION:
        msg = f"retention {text!r} is shorter than an hour; the report needs at least 1h"
        raise StoreError(msg)
    # A thousand years: far beyond it the arithmetic on epoch seconds ends.
    return min(seconds, 1000 * 365 * 86400)
