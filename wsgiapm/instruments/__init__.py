# SPDX-License-Identifier: Apache-2.0
"""The table of instruments, and switching them on."""

from __future__ import annotations

from collections.abc import Callable, Collection
from importlib import import_module

from wsgiapm.instruments import _patch

TABLE = ("django", "flask")


def install(disabled: Collection[str], failed: Callable[[], None]) -> None:
    """Install every instrument that is not disabled, each when its library is first imported.

    `failed` is called while an exception is being handled that an instrument raised.
    """
    for name in TABLE:
        if name not in disabled:
            _patch.install(import_module(f"wsgiapm.instruments.{name}").PATCHES, failed)


def uninstall() -> None:
    """Undo everything that was installed."""
    _patch.undo()
