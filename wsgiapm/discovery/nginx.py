# SPDX-License-Identifier: Apache-2.0
"""The nginx of this machine: what it passes on to, by its configuration, and whether it says when."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import glob
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import psutil

LINE: Final = 'proxy_set_header X-Request-Start "t=${msec}";'
_DEFAULT: Final = "/etc/nginx/nginx.conf"
_DEEPEST = 10
_TOKEN = re.compile(r"""#[^\n]*|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([{};])|([^\s{};]+)""")
_PASSES: Final = {"proxy_pass": "http", "uwsgi_pass": "uwsgi"}
_PORTS: Final = {"http": 80, "https": 443, "uwsgi": 3031}


@dataclass(frozen=True, slots=True)
class Proxy:
    """One address that nginx passes requests on to. `pids` are the processes that listen there, as far as can be seen."""

    address: str
    upstream: str
    queue_time: bool
    pids: tuple[int, ...]
    line: str


class Proxies(NamedTuple):
    """What was found, and the configurations that could not be read."""

    proxies: list[Proxy]
    unread: list[str]


class _Config(NamedTuple):
    """What counts of a configuration: the servers of each upstream, the targets, and whether X-Request-Start is set."""

    upstreams: dict[str, list[str]]
    targets: list[tuple[str, str]]
    headers: list[str]
    unread: list[str]


def find_proxies() -> Proxies:
    """Look for running masters of nginx and read what they were started with."""
    found: dict[tuple[str, str], Proxy] = {}
    unread: set[str] = set()
    for process in psutil.process_iter(["cmdline", "name"]):
        title = " ".join(process.info["cmdline"] or ())
        if process.info["name"] == "nginx" and "master process" in title:
            config = read_config(config_path(title.partition("master process ")[2].split()))
            unread.update(config.unread)
            for proxy in _resolve(config, _find_listeners()):
                found.setdefault((proxy.upstream, proxy.address), proxy)
    return Proxies([found[key] for key in sorted(found)], sorted(unread))


def config_path(argv: Sequence[str]) -> str:
    """Return the configuration an nginx with this command line has read."""
    prefix, path = "", _DEFAULT
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        if word == "-p":
            prefix = following
        elif word == "-c":
            path = following
    return os.path.join(prefix, path)


def read_config(path: str) -> _Config:
    """Read a configuration with everything it includes."""
    config = _Config({}, [], [], [])
    _read_file(path, os.path.dirname(path), config, 0)
    return config


def _read_file(path: str, top: str, config: _Config, depth: int) -> None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        config.unread.append(path)
        return
    upstream = ""
    for words, end in _statements(text):
        if end == "}":
            upstream = ""
        elif words[:1] == ["upstream"] and end == "{":
            upstream = words[1] if len(words) > 1 else ""
        elif words[:1] == ["server"] and end == ";" and upstream and len(words) > 1:
            config.upstreams.setdefault(upstream, []).append(words[1])
        elif words[:1] == ["include"] and len(words) > 1 and depth < _DEEPEST:
            for name in sorted(glob(os.path.join(top, words[1]))):
                _read_file(name, top, config, depth + 1)
        elif words and words[0] in _PASSES and len(words) > 1:
            config.targets.append((_PASSES[words[0]], words[1]))
        elif len(words) > 1 and words[0] == "proxy_set_header":
            config.headers.append(words[1].lower())


def _statements(text: str) -> Iterator[tuple[list[str], str]]:
    """Give the words of each statement and what ends it: `;`, `{` or `}`."""
    words: list[str] = []
    for match in _TOKEN.finditer(text):
        if match[3]:
            yield words, match[3]
            words = []
        elif not match[0].startswith("#"):
            words.append(next(group for group in (match[1], match[2], match[4]) if group is not None))


def _resolve(config: _Config, listeners: dict[str, set[int]]) -> Iterator[Proxy]:
    has_start = bool({"x-request-start", "x-queue-start"} & set(config.headers))
    for scheme, target in config.targets:
        name, default = _split_target(scheme, target)
        for address in config.upstreams.get(name, [name]):
            full = _normalise(address, default)
            if full:
                pids = tuple(sorted(listeners.get(full, ())))
                upstream = name if name in config.upstreams else ""
                yield Proxy(full, upstream, has_start, pids, "" if has_start or scheme != "http" else LINE)


def _split_target(scheme: str, target: str) -> tuple[str, int]:
    """Return host and port, or name, of what is passed on to, and the port where none is named; no login, no path."""
    if "://" not in target:
        return target, _PORTS[scheme]
    if "://unix:" in target:
        return target.partition("://")[2].rpartition(":")[0] or target.partition("://")[2], 0
    parts = urlsplit(target)
    return parts.netloc.rpartition("@")[2], _PORTS.get(parts.scheme, 80)


def _normalise(address: str, port: int) -> str:
    """Return `host:port`, or `unix:/path`; empty where a variable stands in it."""
    if "$" in address:
        return ""
    if address.startswith("unix:"):
        return address
    host, colon, number = address.rpartition(":")
    if not colon or not number.isdigit():
        host, number = address, str(port)
    return f"{'127.0.0.1' if host == 'localhost' else host}:{number}"


def _find_listeners() -> dict[str, set[int]]:
    """Return who listens where, as far as it can be seen."""
    found: dict[str, set[int]] = {}
    try:
        connections: list[Any] = psutil.net_connections("all")
    except (psutil.Error, OSError):
        return found
    for one in connections:
        if one.pid is None:
            continue
        if isinstance(one.laddr, str):
            if one.laddr:
                found.setdefault(f"unix:{one.laddr}", set()).add(one.pid)
        elif one.status == psutil.CONN_LISTEN:
            hosts = ("127.0.0.1", one.laddr.ip) if one.laddr.ip in ("0.0.0.0", "::") else (one.laddr.ip,)  # noqa: S104  # compared
            for host in hosts:
                found.setdefault(f"{host}:{one.laddr.port}", set()).add(one.pid)
    return found
