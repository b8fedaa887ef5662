# SPDX-License-Identifier: Apache-2.0
"""The lines of a log file, compressed or not, or of standard input: one after the other, none of them long."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from glob import escape, glob
from io import BufferedReader
from typing import IO

from wsgiapm.errors import ConfigError, WsgiapmError

_LONGEST_LINE = 64 * 1024
_OPENERS: dict[bytes, Callable[[BufferedReader], IO[bytes]]] = {
    b"\x1f\x8b": lambda raw: gzip.GzipFile(fileobj=raw),  # type: ignore[dict-item,return-value]
    b"BZ": bz2.BZ2File,
    b"\xfd7": lzma.LZMAFile,
}
_BROKEN = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)


def read_lines(name: str) -> Iterator[str]:
    """Give the lines of a file, `-` for standard input; what is too long for a line is cut.

    Raises:
        ConfigError: the file cannot be opened.
        WsgiapmError: it cannot be read to its end.
    """
    raw = _open(name)
    try:
        with nullcontext() if name == "-" else raw:
            yield from _split(_unpack(raw))
    except _BROKEN as error:
        raise WsgiapmError(f"{name} is damaged, and cannot be read to its end ({error}); fetch it again") from error


def _open(name: str) -> BufferedReader:
    if name == "-":
        return sys.stdin.buffer  # type: ignore[return-value]  # it is one
    try:
        return open(name, "rb")
    except OSError as error:
        raise ConfigError(
            f"the log {name} cannot be read: {error.strerror}; name an access log, or - for standard input"
        ) from error


def _unpack(raw: BufferedReader) -> IO[bytes]:
    try:
        opener = _OPENERS.get(raw.peek(2)[:2])
    except IsADirectoryError as error:
        raise ConfigError(f"{raw.name} is a directory; name the logs in it") from error
    return raw if opener is None else opener(raw)


def _split(file: IO[bytes]) -> Iterator[str]:
    while line := file.readline(_LONGEST_LINE):
        rest = line
        while rest and not rest.endswith(b"\n"):  # of a line that never ends, only the beginning is kept
            rest = file.readline(_LONGEST_LINE)
        if text := line.decode("utf-8", "surrogateescape").rstrip("\r\n"):
            yield text


def rotated_siblings(name: str) -> list[str]:
    """Return the files that were probably this log before it was rotated."""
    if name == "-":
        return []
    stem = name.removesuffix(".log")
    found = {*glob(f"{escape(name)}[.-]*"), *glob(f"{escape(stem)}[.-][0-9]*")} - {name}
    return sorted(path for path in found if os.path.isfile(path))
