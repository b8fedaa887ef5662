# SPDX-License-Identifier: Apache-2.0
"""Kinds of setting that are text: names, secrets, addresses, paths, lists."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from wsgiapm.config.kinds import Kind, as_text

_LONGEST = 200
# Not compiled before they are needed, see `kinds`.
_HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110, the name of a header
_STATUS_RANGE = r"(?a:([1-9]\d\d)(?:\s*-\s*([1-9]\d\d))?)"
_CREDENTIALS = r"(?s)^([A-Za-z][A-Za-z0-9+.-]*://)?.*@"
_HIDDEN = "(set, not shown)"


class Text(Kind):
    """One line of text."""

    name = "text"

    def __init__(self, *, takes_empty: bool = True) -> None:
        self.takes_empty = takes_empty

    def parse(self, given: object) -> str:
        """As Kind.parse."""
        text = as_text(given)
        if len(text) > _LONGEST or not text.isprintable():
            raise ValueError(f"must be one line of at most {_LONGEST} printable characters")
        return text


class Secret(Kind):
    """A key that is sent in a header and shown nowhere."""

    name = "secret"
    takes_empty = True
    may_be_secret = True

    def parse(self, given: object) -> str:
        """As Kind.parse."""
        text = as_text(given)
        if not re.fullmatch(r"[!-~]*", text):
            raise ValueError("must consist of printable ASCII characters without a space")
        return text

    def show(self, value: str) -> str:
        """As Kind.show."""
        return _HIDDEN if value else ""

    def conceal(self, given: object) -> str:
        """As Kind.conceal."""
        return _HIDDEN if given else ""


class Choice(Kind):
    """One of a few words; upper and lower case are the same."""

    def __init__(self, *words: str) -> None:
        self._words = {word.lower(): word for word in words}
        self.name = " or ".join(f"`{word}`" for word in words)

    def parse(self, given: object) -> str:
        """As Kind.parse."""
        word = self._words.get(as_text(given).lower())
        if word is None:
            raise ValueError(f"must be one of {', '.join(self._words.values())}")
        return word


class Address(Kind):
    """An http or https address, or nothing."""

    name = "address"
    takes_empty = True

    def __init__(self, *, credentials: bool = False) -> None:
        self.may_be_secret = credentials

    def parse(self, given: object) -> str:
        """As Kind.parse; a slash at the end is dropped."""
        text = as_text(given)
        if not text:
            return ""
        try:
            parts = urlsplit(text)
            is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_good = False
        if not is_good or not text.isprintable() or re.search(r"[\s?#\\]", text):
            raise ValueError("must be an http:// or https:// address with a host, for example http://127.0.0.1:4318")
        if "@" in parts.netloc and not self.may_be_secret:
            raise ValueError("must not have a user name or password in it; use license_key or headers")
        if re.search(r"/v1/(metrics|traces|logs)/*$", parts.path):
            raise ValueError("must be the base address, without /v1/… at its end")
        return text.rstrip("/")

    def show(self, value: str) -> str:
        """As Kind.show."""
        return self.conceal(value)

    def conceal(self, given: object) -> str:
        """As Kind.conceal."""
        return re.sub(_CREDENTIALS, r"\1***@", as_text(given))


class Path(Kind):
    """The name of a file or directory, or nothing."""

    name = "path"
    takes_empty = True

    def __init__(self, *, absolute: bool = False, existing: bool = False, word: str | None = None) -> None:
        self._absolute = absolute
        self._existing = existing
        self._word = word

    def parse(self, given: object) -> str:
        """As Kind.parse; the word that stands for nothing gives an empty text."""
        path = os.fspath(given).strip() if isinstance(given, os.PathLike) else as_text(given)
        if not path or path == self._word:
            return ""
        if "\0" in path or "\n" in path:
            raise ValueError("must be one line without control characters")
        if self._absolute and not os.path.isabs(path):
            raise ValueError("must be an absolute path (it starts with /)")
        if self._existing and not os.path.isfile(path):
            raise ValueError("is not an existing file; correct the path, or leave it out")
        return str(path)


class Names(Kind):
    """A list of words, with commas or line ends between them."""

    name = "list"
    takes_empty = True

    def __init__(self, *, prefix: str = "") -> None:
        self._prefix = prefix

    def parse(self, given: object) -> tuple[str, ...]:
        """As Kind.parse."""
        words = tuple(_items(given))
        for word in words:
            if not word.isprintable() or not word.startswith(self._prefix):
                start = f", each of which starts with {self._prefix}" if self._prefix else ""
                raise ValueError(f"must be a list with commas between its items{start}; {word!r} does not fit")
        return words

    def show(self, value: tuple[str, ...]) -> str:
        """As Kind.show."""
        return ", ".join(value)


class UrlPath(Text):
    """The path of an address on the app's own host, or nothing."""

    name = "path of an address"

    def parse(self, given: object) -> str:
        """As Kind.parse."""
        text = super().parse(given)
        if text and not re.fullmatch(r"/[^\s?#]*", text):
            raise ValueError("must start with / and have neither ? nor # in it, for example /metrics")
        return text


class Statuses(Kind):
    """Ranges of HTTP status codes, both ends included."""

    name = "list of status codes"
    takes_empty = True

    def parse(self, given: object) -> tuple[tuple[int, int], ...]:
        """As Kind.parse."""
        return tuple(_status_range(item) for item in _items(given))

    def show(self, value: tuple[tuple[int, int], ...]) -> str:
        """As Kind.show."""
        return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in value)


class Headers(Kind):
    """Names and values of HTTP headers; the values may be secret."""

    name = "list of `name=value`"
    takes_empty = True
    may_be_secret = True

    def parse(self, given: object) -> tuple[tuple[str, str], ...]:
        """As Kind.parse; a mapping is taken too."""
        items = given.items() if isinstance(given, Mapping) else map(_pair, _items(given))
        pairs = tuple((as_text(name), as_text(value)) for name, value in items)
        for position, (name, value) in enumerate(pairs, 1):
            if not re.fullmatch(_HEADER_NAME, name) or not value.isprintable() or not value.isascii():
                raise ValueError(
                    f"must be name=value,name=value; item {position} is not the name and value of a header"
                )
        return pairs

    def show(self, value: tuple[tuple[str, str], ...]) -> str:
        """As Kind.show."""
        return ", ".join(f"{name}={_HIDDEN}" for name, _ in value)

    def conceal(self, given: object) -> str:
        """As Kind.conceal."""
        return _HIDDEN if given else ""


def _items(given: object) -> list[str]:
    """The parts of a list, given as text or as a Python sequence."""
    if isinstance(given, (str, int)) or not isinstance(given, Iterable):
        given = re.split(r"[,\n]", str(given))
    return [text for text in map(as_text, given) if text]


def _pair(item: str) -> tuple[str, str]:
    name, sign, value = item.partition("=")
    return (name if sign else ""), value


def _status_range(item: str) -> tuple[int, int]:
    match = re.fullmatch(_STATUS_RANGE, item)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if low > high:
        raise ValueError(f"must be status codes or ranges of them, for example 500-599, 404; {item!r} does not fit")
    return low, high
