# SPDX-License-Identifier: Apache-2.0
"""Whoever had switched faulthandler on before us: the app itself, or PYTHONFAULTHANDLER.

A process has only one, and it writes into one file. So where it wrote to is noted in the black box, and whoever reads
that gives the text to whom it would have gone.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import stat
import sys
from typing import Any

from wsgiapm.named_tuple import NamedTuple

_NOTE = "# wsgiapm: a copy is owed to "
_STDERR = "stderr"
_STDERR_DESCRIPTOR = 2


class OtherWitness(NamedTuple):
    """Where faulthandler wrote to: `place` is a path or "stderr", empty if it was off; `file` the object, if known."""

    place: str
    file: Any

    def note(self) -> bytes:
        """Return what is to stand in the black box before everything else."""
        return f"{_NOTE}{self.place}\n".encode() if self.place else b""

    def reinstate(self) -> None:
        """Have faulthandler write there again, or nowhere."""
        try:
            if self.place:
                faulthandler.enable(file=self.file or sys.stderr)
                return
        except (AttributeError, OSError, RuntimeError, ValueError):  # closed meanwhile
            pass
        faulthandler.disable()


NOBODY = OtherWitness("", None)


def find() -> OtherWitness:
    """Return where faulthandler writes to now."""
    if not faulthandler.is_enabled():
        return NOBODY
    # There is no other way to ask. Of a bare descriptor it keeps nothing to be found.
    for file in gc.get_referents(faulthandler):
        try:
            descriptor = file.fileno()
            place = os.readlink(f"/proc/self/fd/{descriptor}")
        except (AttributeError, OSError, TypeError, ValueError):
            continue
        is_path = descriptor != _STDERR_DESCRIPTOR and place.startswith("/") and "\n" not in place
        return OtherWitness(place if is_path else _STDERR, file)
    return OtherWitness(_STDERR, None)


def split_note(text: str) -> tuple[str, str]:
    """Return the place that is noted at the beginning of a black box, and the rest of it."""
    if not text.startswith(_NOTE):
        return "", text
    note, _, rest = text.partition("\n")
    return note.removeprefix(_NOTE), rest


def give_back(place: str, text: str) -> None:
    """Append what the interpreter wrote to where it would have gone."""
    if not place:
        return
    data = text.encode(errors="replace")
    try:
        if place == _STDERR or not stat.S_ISREG(os.stat(place, follow_symlinks=False).st_mode):
            os.write(_STDERR_DESCRIPTOR, data)
            return
        descriptor = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NOCTTY)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)
    except OSError:
        return  # removed meanwhile, or not ours to write any more
