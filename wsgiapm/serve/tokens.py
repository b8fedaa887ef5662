# SPDX-License-Identifier: Apache-2.0
"""The tokens of the server: read from files, made on first use."""

from __future__ import annotations

import os
import secrets
import stat

from wsgiapm.errors import ConfigError

INGEST, VIEW = "ingest-token", "view-token"
_LONGEST = 4096


def read_token(path: str) -> str:
    """Return the token in a file the user has named: one line of printable ASCII without spaces.

    Raises:
        ConfigError: the file cannot be read or holds something else.
    """
    try:
        with open(path, "rb") as file:
            text = file.read(_LONGEST + 1).decode("ascii", "replace")
    except OSError as failure:
        raise ConfigError(f"token file {path} cannot be read: {failure.strerror}") from failure
    token = text.strip()
    if not token:
        raise ConfigError(f"token file {path} is empty; write the token into it, as one line")
    if len(text) > _LONGEST or not all("!" <= character <= "~" for character in token):
        raise ConfigError(f"token file {path} is not one line of printable ASCII without spaces")
    return token


def keep_token(directory: str, name: str) -> str:
    """Return the token in a file of the state directory; a new one is made if there is none.

    Raises:
        ConfigError: the file cannot be made, is not ours or can be read by others.
    """
    path = os.path.join(directory, name)
    try:
        if not os.path.lexists(path):
            _write(path)
        found = os.lstat(path)
    except OSError as failure:
        raise ConfigError(f"token file {path} cannot be made: {failure.strerror}") from failure
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        raise ConfigError(f"token file {path} is not a file of user {os.geteuid()}; remove it, and one will be made")
    if found.st_mode & 0o077:
        raise ConfigError(f"token file {path} can be read by others; run chmod 600 on it, or remove it for a new token")
    return read_token(path)


def make_directory(path: str) -> None:
    """Make the state directory, for its user alone, if there is none.

    Raises:
        ConfigError: it cannot be made, or others can write to it.
    """
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        found = os.stat(path)
    except OSError as failure:
        raise ConfigError(f"directory {path} cannot be made: {failure.strerror}") from failure
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise ConfigError(f"directory {path} can be written to by others than user {os.geteuid()}; run chmod 700 on it")


def _write(path: str) -> None:
    # Linked into place, so that whoever sees the file sees the whole token, and of two servers one wins.
    draft = f"{path}.{secrets.token_hex(8)}"
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        os.unlink(draft)
