# SPDX-License-Identifier: Apache-2.0
"""A decoded message as lines of text. Nothing is left out: what has no name of its own is shown by its number."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from wsgiapm.otlp.decoding import Decoded

_TIMES = {"start", "time", "observed"}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def tree(message: Decoded, depth: int = 1) -> Iterator[str]:
    """Yield a line for each message within a message: what it says itself, and below it the messages in it."""
    for name, value in message:
        if _is_message(value):
            below = [(key, inner) for key, inner in value if _is_message(inner) and not _is_flat(inner)]
            yield f"{'  ' * depth}{name} {_inline(value)}".rstrip()
            yield from tree(below, depth + 1)


def _is_message(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, tuple) for item in value) and bool(value)


def _is_flat(message: Decoded) -> bool:
    return not any(_is_message(value) or name == "attribute" or name in _TIMES for name, value in message)


def _inline(message: Decoded) -> str:
    words = [_word(name, value) for name, value in message if not _is_message(value)]
    words += [f"{name}({_inline(value)})" for name, value in message if _is_message(value) and _is_flat(value)]
    return " ".join(words)


def _word(name: str, value: Any) -> str:
    if name == "attribute":
        return f"{value[0]}={_quoted(value[1])}"
    if name in _TIMES and isinstance(value, int):
        return f"{name}={(_EPOCH + timedelta(microseconds=value // 1000)).isoformat(timespec='microseconds')}"
    return f"{name}={_quoted(value)}"


def _quoted(value: Any) -> str:
    if isinstance(value, str):
        plain = value.isprintable() and value and not set(value) & set(" ()=\"'")
        return value if plain else repr(value)
    return "[" + ", ".join(map(str, value)) + "]" if isinstance(value, list) else str(value)
