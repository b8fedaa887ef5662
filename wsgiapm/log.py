# SPDX-License-Identifier: Apache-2.0
"""The agent's own log: lines on stderr or in a file.

It stays away from the logging module, because a framework may silence every logger it does not know
and gevent may patch the locks inside. A line is one write; the file is opened for each line, so rotation, fork
and a daemon that closes all descriptors need no care.
"""

from __future__ import annotations

import os
from time import localtime, strftime

from wsgiapm import clock

_LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}
_STDERR = 2
# What formatting foreign objects can raise, their own __str__ included.
_UNPRINTABLE = (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
_REPEAT_AFTER_NS = 3600 * 10**9
_KEYS_AT_MOST = 1000
# Control characters are shown, not written: a record is one line, whatever an exception has in its text.
_VISIBLE = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {9: "\t", 10: "\\n", 13: "\\r"}


class _State:
    """What configure() has set, and when each key of once() was last said (ns)."""

    __slots__ = ("path", "said", "threshold")

    def __init__(self) -> None:
        self.path: str | None = None
        self.threshold = _LEVELS["INFO"]
        self.said: dict[str, int] = {}


_state = _State()


def configure(path: str | None, level: str) -> None:
    """Choose where lines go and from which level on.

    Args:
        path: the file to append to; None or empty for stderr.
        level: DEBUG, INFO, WARNING or ERROR; anything else counts as INFO.
    """
    _state.path = os.path.abspath(path) if path else None
    _state.threshold = _LEVELS.get(level.upper(), _LEVELS["INFO"])
    _state.said.clear()


def debug(message: str, *args: object) -> None:
    """Write a line of level DEBUG; ``args`` fill the %-places of ``message``."""
    _log("DEBUG", message, args)


def info(message: str, *args: object) -> None:
    """Write a line of level INFO; ``args`` fill the %-places of ``message``."""
    _log("INFO", message, args)


def warning(message: str, *args: object) -> None:
    """Write a line of level WARNING; ``args`` fill the %-places of ``message``."""
    _log("WARNING", message, args)


def error(message: str, *args: object) -> None:
    """Write a line of level ERROR; ``args`` fill the %-places of ``message``."""
    _log("ERROR", message, args)


def once(key: str, level: str, message: str, *args: object) -> None:
    """Write a line unless one with the same key was written less than an hour ago (also by the parent, before a fork).

    Args:
        key: what the line is about; it is not written.
        level: DEBUG, INFO, WARNING or ERROR.
        message: the text, with %-places.
        *args: what fills them.
    """
    level = level.upper()
    if _LEVELS.get(level, _LEVELS["INFO"]) >= _state.threshold and _is_due(key):
        _log(level, message, args)


def _is_due(key: str) -> bool:
    now = clock.monotonic_ns()
    last = _state.said.get(key)
    if last is not None and now - last < _REPEAT_AFTER_NS:
        return False
    if len(_state.said) >= _KEYS_AT_MOST:
        _state.said.clear()
    _state.said[key] = now
    return True


def _log(level: str, message: str, args: tuple[object, ...]) -> None:
    if _LEVELS.get(level, _LEVELS["INFO"]) < _state.threshold:
        return
    line = _line(level, _text(message, args))
    path = _state.path
    if path is None:
        _write(_STDERR, line)
        return
    try:
        descriptor = os.open(path, _FLAGS, 0o640)
    except (OSError, ValueError) as failure:
        if _is_due("wsgiapm.log: " + path):
            reason = _text("cannot write log_file %s: %s; logging to stderr instead", (path, failure))
            _write(_STDERR, _line("ERROR", reason))
        _write(_STDERR, line)
        return
    try:
        _write(descriptor, line)
    finally:
        os.close(descriptor)


def _text(message: str, args: tuple[object, ...]) -> str:
    try:
        return message % args if args else message
    except _UNPRINTABLE:
        return f"{message} (with {len(args)} values that do not fit)"


def _line(level: str, text: str) -> bytes:
    stamp = strftime("%Y-%m-%d %H:%M:%S %z", localtime(clock.time()))
    line = f"{stamp} [{os.getpid()}] [{level}] wsgiapm: {text.translate(_VISIBLE)}\n"
    return line.encode("utf-8", "backslashreplace")


def _write(descriptor: int, line: bytes) -> None:
    try:
        os.write(descriptor, line)
    except OSError:
        return  # nobody is left to be told
