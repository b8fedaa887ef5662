# SPDX-License-Identifier: Apache-2.0
"""Formats of access logs: those with a name, and any that is written as nginx, gunicorn or Apache have it.

A format string becomes one regular expression; only what is compared is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final

from wsgiapm.access_log.entry import Entry
from wsgiapm.errors import ConfigError

# Common and combined, whatever stands before: a virtual host, the name of a container, the address.
_USUAL: Final = (
    r'\[(?P<time_local>[^\]]+)\] "(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}) (?P<size>\d+|-)'
    r'(?: "(?:[^"\\]|\\.)*" "(?P<agent>(?:[^"\\]|\\.)*)")?'
)
USUAL_NAMES: Final = ("auto", "apache", "combined", "common", "gunicorn", "nginx")

_NGINX = {
    "request": "request",
    "request_method": "method",
    "request_uri": "target",
    "uri": "target",
    "document_uri": "target",
    "status": "status",
    "body_bytes_sent": "size",
    "time_local": "time_local",
    "time_iso8601": "time_iso",
    "msec": "time_epoch",
    "http_user_agent": "agent",
    "upstream_status": "upstream",
    "upstream_addr": "upstream",
    "upstream_response_time": "upstream",
}
_PERCENT = {"r": "request", "m": "method", "U": "target", "s": "status", "b": "size", "B": "size", "t": "time_local"}
_NGINX_FIELD = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_GUNICORN_FIELD = re.compile(r"%\((\{[^}]*\}\w|\w+)\)s")
_APACHE_FIELD = re.compile(r"%[<>!,\d]*(\{[^}]*\}\w|\w)")
_MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_LOCAL = re.compile(r"(\d\d)/(\w{3})/(\d{4}):(\d\d:\d\d:\d\d) ?([+-]\d{4})")


def parse_local_time(text: str) -> float:
    """Read `20/Nov/2026:22:00:00 +0000`; raises ValueError."""
    match = _LOCAL.search(text)
    if match is None or match[2] not in _MONTHS:
        raise ValueError(f"{text!r} is no time of an access log")
    written = f"{match[3]}-{_MONTHS[match[2]]:02}-{match[1]}T{match[4]}{match[5][:3]}:{match[5][3:]}"
    return datetime.fromisoformat(written).timestamp()


def _parse_iso_time(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


_TIMES: Final[dict[str, Callable[[str], float]]] = {
    "time_local": parse_local_time,
    "time_iso": _parse_iso_time,
    "time_epoch": float,
}


class Format:
    """How the lines of a log are read. Times repeat from line to line, so the last one is remembered."""

    def __init__(self, text: str = "auto") -> None:
        """`text` is one of USUAL_NAMES or a format string.

        Raises:
            ConfigError: it is neither, or has no request or no status in it.
        """
        self.of_nginx = text == "nginx" or "$" in text
        pattern = _USUAL if text in USUAL_NAMES else _compile(text)
        self._search = re.compile(pattern).search
        groups = re.compile(pattern).groupindex
        self._time = next((name for name in _TIMES if name in groups), None)
        self._groups = frozenset(groups)
        self._last: tuple[str, float] = ("", 0.0)

    def parse(self, line: str) -> Entry | None:
        """Return what a line says; None when it is no line of this format."""
        match = self._search(line)
        if match is None:
            return None
        found = match.groupdict()
        try:
            time = self._read_time(found[self._time]) if self._time else None
        except ValueError:
            return None
        method, target = self._read_request(found)
        size = found.get("size", "")
        upstream = None
        if "upstream" in self._groups:
            upstream = any(character.isalnum() or character == "/" for character in found["upstream"] or "")
        number = int(size) if size and size.isdigit() else 0
        status = int(found["status"])
        return Entry(
            time, method, target, status, number if "size" in self._groups else None, found.get("agent"), upstream
        )

    def _read_time(self, text: str) -> float:
        if text != self._last[0]:
            assert self._time is not None
            self._last = (text, _TIMES[self._time](text))
        return self._last[1]

    def _read_request(self, found: dict[str, str]) -> tuple[str, str]:
        if "request" not in self._groups:
            return found.get("method", "GET"), found["target"]
        method, _, rest = found["request"].partition(" ")
        target, space, protocol = rest.rpartition(" ")
        if not space or not protocol.startswith("HTTP/"):
            target = rest
        if not method.isalpha() or not target:
            return "", ""
        return method, target


def _compile(text: str) -> str:
    if _GUNICORN_FIELD.search(text):
        fields, name_of = _GUNICORN_FIELD, _name_percent
    elif _NGINX_FIELD.search(text):
        fields, name_of = _NGINX_FIELD, _name_nginx
    elif _APACHE_FIELD.search(text):
        fields, name_of = _APACHE_FIELD, _name_percent
    else:
        raise ConfigError(
            f"{text!r} is no format: give one of {', '.join(USUAL_NAMES)}, or the server's own format string"
        )
    pattern = _pattern(text.strip().replace('\\"', '"'), fields, name_of)
    if "(?P<status>" not in pattern or not ("(?P<request>" in pattern or "(?P<target>" in pattern):
        raise ConfigError(f"the format {text!r} has no request line or path, or no status, to compare")
    return pattern


def _name_percent(match: re.Match[str]) -> str:
    name = match[1]
    return "agent" if name.lower() == "{user-agent}i" else _PERCENT.get(name, "a" if name == "a" else "")


def _name_nginx(match: re.Match[str]) -> str:
    return _NGINX.get(match[1] or match[2], "")


def _pattern(text: str, fields: re.Pattern[str], name_of: Callable[[re.Match[str]], str]) -> str:
    """Return the expression; a field ends where the literal text behind it begins."""
    parts = ["^"]
    seen: set[str] = set()
    end = 0
    for match in fields.finditer(text):
        parts.append(re.escape(text[end : match.start()]))
        end = match.end()
        behind, before = text[end : end + 1], text[match.start() - 1 : match.start()]
        name = name_of(match)
        if name == "a":  # the user agent in gunicorn, the client's address in Apache
            name = "agent" if fields is _GUNICORN_FIELD else ""
        body = _body(name, behind, before)
        parts.append(f"(?P<{name}>{body})" if name and name not in seen else f"(?:{body})")
        seen.add(name)
    parts.append(re.escape(text[end:]))
    return "".join(parts)


# Of several servers that nginx asked in turn it writes "502, 200", or "- : 200".
_BODIES: Final = {"status": r"\d{3}", "size": r"\d+|-", "upstream": r'[^ "]+(?:(?:, | : )[^ "]+)*'}


def _body(name: str, behind: str, before: str) -> str:
    if name in _BODIES:
        return _BODIES[name]
    if name == "time_local" and before != "[":
        return r"\[[^\]]*\]|[^\]]*?"
    if name == "target" and behind in ("%", "$"):  # the query stands behind it, in a field of its own
        return r'[^ "?]*'
    delimited = {'"': r'(?:[^"\\]|\\.)*', "]": r"[^\]]*", "": ".*"}
    return delimited.get(behind, ".*?")
