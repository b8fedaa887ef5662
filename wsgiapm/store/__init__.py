# SPDX-License-Identifier: Apache-2.0
"""The database of metrics: a small protocol, and SQLite behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsgiapm.store.address import parse_address, parse_retention
from wsgiapm.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from wsgiapm.store.protocol import Store

__all__ = ["open_store", "parse_address"]


def open_store(address: str, retention: str) -> Store:
    """Open the store at an address.

    Args:
        address: ``sqlite:///PATH``, the path relative or absolute.
        retention: how long to keep, as in ``30d``.

    Raises:
        StoreError: the address, the retention or the file cannot be used.
    """
    return SqliteStore(parse_address(address), parse_retention(retention))
