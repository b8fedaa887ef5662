# SPDX-License-Identifier: Apache-2.0
"""Where a store lies and how long it keeps: the two values of `wsgiapm serve` that the store understands."""

from __future__ import annotations

import os

from wsgiapm.config import parse_duration
from wsgiapm.errors import StoreError

_SCHEME = "sqlite:///"
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
        text: a duration: ``30d``, ``12h``; a bare number is seconds.

    Raises:
        StoreError: it is no such thing, or shorter than an hour.
    """
    try:
        seconds = int(parse_duration(text.strip()))
    except ValueError as failure:
        msg = f"retention {text!r} {failure}"
        raise StoreError(msg) from failure
    if seconds < SHORTEST_RETENTION:
        msg = f"retention {text!r} is shorter than an hour; the report needs at least 1h"
        raise StoreError(msg)
    return seconds
