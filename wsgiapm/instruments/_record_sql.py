# SPDX-License-Identifier: Apache-2.0
"""What may be kept of the text of a statement in this process: the setting `record_sql`.

Apart from all that knows SQL, for the agent sets it whether or not there will be any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

KINDS: Final = ("off", "obfuscated", "raw")
"""The strictest first."""


class _Setting:
    def __init__(self) -> None:
        self.kind: str | None = None
        self.changed: list[Callable[[], None]] = []


_setting = _Setting()


def configure(record_sql: str) -> None:
    """Set it. Of several agents in a process the strictest has its way."""
    kind = record_sql if _setting.kind is None else min(record_sql, _setting.kind, key=KINDS.index)
    if kind != _setting.kind:
        _setting.kind = kind
        for tell in _setting.changed:
            tell()


def kept() -> str:
    """Return what is kept: `off`, `obfuscated` or `raw`."""
    return _setting.kind or "obfuscated"


def when_changed(act: Callable[[], None]) -> None:
    """Call `act` whenever it changes."""
    _setting.changed.append(act)


def forget() -> None:
    """Begin anew, as if nobody had set it."""
    _setting.kind = None
    for tell in _setting.changed:
        tell()
