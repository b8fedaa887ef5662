# SPDX-License-Identifier: Apache-2.0
"""Where things lie when no setting says it: the shared directory, the state directory and what is in it."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from wsgiapm.config.settings import OPTIONS, Settings

_IN_MEMORY = "/dev/shm"  # noqa: S108  # the directory below it is private, and checked by who opens it
_ON_DISK = "/tmp"  # noqa: S108  # the same
_LONGEST_NAME = 120
_TOKEN_FILE = "ingest-token"  # noqa: S105
_LONGEST_TOKEN = 4096


def shared_directory(settings: Settings, uid: int | None = None) -> str:
    """The directory the processes of the app share.

    Args:
        settings: with shared_dir, or the names its default is made from.
        uid: the user the workers run as; that of this process by default.
    """
    if settings.shared_dir:
        return settings.shared_dir
    parent = _IN_MEMORY if os.path.isdir(_IN_MEMORY) else _ON_DISK
    return os.path.join(parent, f"wsgiapm-{os.geteuid() if uid is None else uid}", _instance(settings))


def state_directory(environ: Mapping[str, str] | None = None) -> str:
    """The user's directory for what outlives a process: $XDG_STATE_HOME/wsgiapm or ~/.local/state/wsgiapm.

    Args:
        environ: the environment; that of the process by default.
    """
    environ = os.environ if environ is None else environ
    state = environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(state):  # the XDG specification has relative ones ignored
        return os.path.join(state, "wsgiapm")
    home = environ.get("HOME") or os.path.expanduser("~")
    if os.path.isabs(home):
        return os.path.join(home, ".local", "state", "wsgiapm")
    return os.path.join(_ON_DISK, f"wsgiapm-state-{os.geteuid()}")


def spool_directory(settings: Settings) -> str:
    """The directory of uploads that wait."""
    return settings.spool_dir or os.path.join(state_directory(), "spool", _instance(settings))


def ingest_token(settings: Settings) -> str:
    """The token uploads are sent with; empty when there is none.

    It is license_key, or, for an endpoint on this machine, what `wsgiapm serve` left in a file of the same user
    that nobody else can read.
    """
    if settings.license_key or not endpoint_is_local(settings.endpoint):
        return settings.license_key
    try:
        return _private_line(os.path.join(state_directory(), _TOKEN_FILE))
    except (OSError, ValueError):
        return ""


def endpoint_is_local(endpoint: str) -> bool:
    """Whether the address leads to this machine, by its loopback interface."""
    try:
        host = urlsplit(endpoint).hostname or ""
    except ValueError:
        return False
    numbers = host.split(".")
    is_loopback = numbers[0] == "127" and len(numbers) == 4 and all(n.isascii() and n.isdigit() for n in numbers)
    return is_loopback or host in {"localhost", "::1"}


def _instance(settings: Settings) -> str:
    """A file name that differs whenever the app or the instance does."""
    name = _file_name(settings.app_name)
    if settings.app_name == OPTIONS["app_name"].default:
        name += f"-{zlib.crc32(os.fsencode(_working_directory())):08x}"
    return f"{name}@{_file_name(settings.instance_name)}" if settings.instance_name else name


def _file_name(name: str) -> str:
    # Quoting keeps names apart, and a leading dot out; a long one is cut and told apart by its checksum.
    quoted = quote(name, safe=" ")
    if quoted.startswith("."):
        quoted = "%2E" + quoted[1:]
    if len(quoted) > _LONGEST_NAME:
        quoted = f"{quoted[: _LONGEST_NAME - 9]}%{zlib.crc32(name.encode()):08x}"
    return quoted


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return ""


def _private_line(path: str) -> str:
    """The line in a file that is ours alone.

    Raises:
        OSError: there is no such file.
        ValueError: it is not ours alone, or no single line of ASCII.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise ValueError(f"{path} is not ours alone")
        text = os.read(descriptor, _LONGEST_TOKEN).decode("ascii").strip()
    finally:
        os.close(descriptor)
    if not text.isprintable() or " " in text:
        raise ValueError(f"{path} is not one line")
    return text
