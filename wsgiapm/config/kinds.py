# SPDX-License-Identifier: Apache-2.0
"""What kinds of value a setting may have: numbers with their units here, text in wsgiapm.config.texts.

A kind turns what somebody wrote into a value, and a value into text that may be printed.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Any

# Not compiled before somebody gives one: that takes longer than all else here.
_QUANTITY = r"(?a:(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]*))"
_MULTIPLE = r"(?a:(\d+(?:\.\d*)?|\.\d+)\s*[tT])"
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_PARTS_OF_A_SECOND = {"us": 10**6, "ms": 10**3}
_BYTES = {"": 1, "b": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "kb": 10**3, "mb": 10**6, "gb": 10**9}
_LONGEST = 366 * 86400.0
_LARGEST = 2**50


class Kind(ABC):
    """One kind of value."""

    name = "value"
    takes_empty = False  # an empty text is a value of its own, not the absence of one
    may_be_secret = False  # the repr of the settings leaves it out

    @abstractmethod
    def parse(self, given: object) -> Any:
        """Turn text, or a Python value given as a keyword, into the setting's value.

        Raises:
            ValueError: says what the value must be.
        """

    def show(self, value: Any) -> str:
        """The text of a value, as it can be written in a file; a secret is not in it."""
        return str(value)

    def conceal(self, given: object) -> str:
        """What somebody wrote, fit to be printed in a message."""
        return as_text(given)


class Flag(Kind):
    """True or false."""

    name = "yes or no"

    def parse(self, given: object) -> bool:
        """As Kind.parse."""
        word = as_text(given).lower()
        if word in {"1", "true", "yes", "on"}:
            return True
        if word in {"0", "false", "no", "off"}:
            return False
        raise ValueError("must be one of true, false, yes, no, on, off, 1, 0")

    def show(self, value: bool) -> str:  # noqa: FBT001
        """As Kind.show."""
        return "true" if value else "false"


class Integer(Kind):
    """A whole number within bounds."""

    name = "number"

    def __init__(self, lowest: int, highest: int) -> None:
        self._lowest = lowest
        self._highest = highest

    def parse(self, given: object) -> int:
        """As Kind.parse."""
        text = as_text(given)
        if not re.fullmatch(r"\d{1,15}", text, re.ASCII) or not self._lowest <= int(text) <= self._highest:
            raise ValueError(f"must be a whole number from {self._lowest} to {self._highest}")
        return int(text)


class Duration(Kind):
    """A length of time, in seconds."""

    name = "duration"

    def __init__(self, lowest: float = 0.0, *, above_zero: bool = False) -> None:
        self._lowest = lowest
        self._above_zero = above_zero

    def parse(self, given: object) -> Any:
        """As Kind.parse."""
        seconds = parse_duration(as_text(given))
        if self._above_zero and seconds <= 0:
            raise ValueError("must be more than 0, for example 500ms")
        if seconds < self._lowest:
            raise ValueError(f"must be at least {show_duration(self._lowest)}")
        return seconds

    def show(self, value: float) -> str:
        """As Kind.show."""
        return show_duration(value)


class Multiple:
    """A value that is so many times the Apdex T."""

    def __init__(self, factor: float) -> None:
        self.factor = factor


class Threshold(Duration):
    """A duration, or a multiple of the Apdex T (`4t`)."""

    name = "duration, or `4t`"

    def parse(self, given: object) -> float | Multiple:
        """As Kind.parse; a multiple is resolved once the Apdex T is known."""
        match = re.fullmatch(_MULTIPLE, as_text(given))
        if match:
            return Multiple(float(match[1]))
        seconds: float = super().parse(given)
        return seconds


class Size(Kind):
    """A number of bytes."""

    name = "size"

    def __init__(self, lowest: int = 0, *, zero_means: str = "") -> None:
        self._lowest = lowest
        self._zero_means = zero_means

    def parse(self, given: object) -> int:
        """As Kind.parse."""
        size = parse_size(as_text(given))
        if size < self._lowest and not (self._zero_means and size == 0):
            other = f", or 0 ({self._zero_means})" if self._zero_means else ""
            raise ValueError(f"must be at least {show_size(self._lowest)}{other}; a bare number is bytes")
        return size

    def show(self, value: int) -> str:
        """As Kind.show."""
        return show_size(value)


def as_text(given: object) -> str:
    """What was given, as the text of it without white space around."""
    return str(given).strip()


def parse_duration(text: str) -> float:
    """Read a length of time.

    Args:
        text: a number with the unit us, ms, s, m, h or d; a bare number is seconds.

    Returns:
        Seconds.

    Raises:
        ValueError: says what the text must be.
    """
    match = re.fullmatch(_QUANTITY, text)
    unit = match[2] if match else None
    if match is None or (unit not in _SECONDS and unit not in _PARTS_OF_A_SECOND):
        raise ValueError("must be a duration such as 500ms, 2s, 1m or 30d (units us, ms, s, m, h, d)")
    number = float(match[1])
    # Divided, not multiplied: 300ms is then the same float as 0.3.
    seconds = number * _SECONDS[match[2]] if match[2] in _SECONDS else number / _PARTS_OF_A_SECOND[match[2]]
    if seconds > _LONGEST:
        raise ValueError("must be at most 366d")
    return seconds


def show_duration(seconds: float) -> str:
    """The shortest plain text that parse_duration reads as so many seconds."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{int(seconds) // _SECONDS[unit]}{unit}"
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"
    for unit, parts in (("ms", 10**3), ("us", 10**6)):
        if round(seconds * parts) / parts == seconds:
            return f"{round(seconds * parts)}{unit}"
    return f"{seconds * 10**6:.9f}".rstrip("0").rstrip(".") + "us"


def parse_size(text: str) -> int:
    """Read a number of bytes.

    Args:
        text: a number with the unit B, KiB, MiB, GiB, kB, MB or GB; a bare number is bytes.

    Returns:
        Bytes.

    Raises:
        ValueError: says what the text must be.
    """
    match = re.fullmatch(_QUANTITY, text)
    if match is None or match[2].lower() not in _BYTES:
        raise ValueError("must be a size such as 64MiB or 512KiB (units B, KiB, MiB, GiB, kB, MB, GB)")
    size = float(match[1]) * _BYTES[match[2].lower()]
    if size > _LARGEST or size != int(size):
        raise ValueError("must be a whole number of bytes and at most 1048576GiB")
    return int(size)


def show_size(size: int) -> str:
    """The shortest plain text that parse_size reads as so many bytes."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)
