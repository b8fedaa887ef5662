# SPDX-License-Identifier: Apache-2.0
"""The black box: a file into which the interpreter writes its stacks when the process dies of a signal.

It is the standard library's faulthandler, writing into `black-box-N` of the shared directory, opened beforehand. It needs
neither the GIL nor memory, so a stuck C call under gunicorn's `--timeout` (SIGABRT), a SIGSEGV and an abort in an extension all
name the line they happened on. Whoever finds the dead process's segment reads the file. A handler that was installed
before, gunicorn's for SIGABRT for one, runs after it. There is one faulthandler in a process; if the app had switched it on for
itself, what it would have got is given back by the reader: see `other_witness`.
"""

from __future__ import annotations

import faulthandler
import os
import re

from wsgiapm import log
from wsgiapm.aggregate.directory import SharedDirectory
from wsgiapm.call_site import is_app_code
from wsgiapm.errors import SharedDirectoryError
from wsgiapm.named_tuple import NamedTuple
from wsgiapm.profile import other_witness

_LARGEST = 65536
# What all files of counters begin with. One that was renamed must not be emptied: who has it mapped would die of SIGBUS.
_MAGICS = b"wsgiapm"
# Compiled when a dead process is found, which most processes never do.
_REASON = r"(?m)^Fatal Python error: (.+)$"
_THREAD = r"(?m)^(Current thread|Thread) 0x([0-9a-f]+)[^\n]*\n((?:  .*\n?)*)"
_FRAME = r'(?m)^  File "(.*)", line (\d+) in (.*)$'


class Frame(NamedTuple):
    """One call: the file as the interpreter knows it, the line it stood on, the function."""

    file: str
    line: int
    function: str


class Thread(NamedTuple):
    """A thread by its native identifier, and its calls, the innermost first."""

    identifier: int
    frames: tuple[Frame, ...]


class Testimony(NamedTuple):
    """What a black box holds: why, as the interpreter puts it, and each thread's calls, the innermost first.

    `threads` begins with the one that was running; `text` is all of it. `owed_to` is where it would have gone without us.
    """

    reason: str
    threads: tuple[Thread, ...]
    text: str
    owed_to: str = ""

    def app_frames(self) -> dict[int, Frame]:
        """Return the innermost frame of the app's own code in each thread that has one, by the thread's identifier."""
        found = [(t.identifier, next((f for f in t.frames if is_app_code(f.file)), None)) for t in self.threads]
        # The first one counts: a thread that is just being made has no frame yet, and the identifier of its maker.
        return {identifier: frame for identifier, frame in reversed(found) if frame is not None}


def parse(text: str) -> Testimony | None:
    """Return what the interpreter wrote, None if it wrote nothing that can be read."""
    owed_to, text = other_witness.split_note(text)
    threads = sorted(re.findall(_THREAD, text), key=lambda thread: bool(thread[0] != "Current thread"))
    reason = re.search(_REASON, text)
    if reason is None and not threads:
        return None
    stacks = tuple(
        Thread(int(identifier, 16), tuple(Frame(f, int(line), name) for f, line, name in re.findall(_FRAME, body)))
        for _, identifier, body in threads
    )
    return Testimony(reason[1] if reason else "", stacks, text, owed_to)


def _name(number: int) -> str:
    return f"black-box-{number}"


def read_black_box(directory: SharedDirectory, number: int) -> Testimony | None:
    """Return what the process of a segment left when it died, None if it left nothing."""
    try:
        descriptor = directory.open(_name(number))
    except (OSError, SharedDirectoryError):
        return None
    try:
        return parse(os.pread(descriptor, _LARGEST, 0).decode(errors="replace"))
    finally:
        os.close(descriptor)


def clear_black_box(directory: SharedDirectory, number: int) -> None:
    """Forget what was left there."""
    try:
        os.close(_open_empty(directory, number, 0))
    except (OSError, SharedDirectoryError):
        return


def _open_empty(directory: SharedDirectory, number: int, flags: int) -> int:
    """Open a black box for writing and empty it, unless it is somebody's counters under another name."""
    descriptor = directory.open(_name(number), os.O_RDWR | os.O_APPEND | flags)
    if os.pread(descriptor, len(_MAGICS), 0) == _MAGICS:
        os.close(descriptor)
        path = directory.path
        msg = f"{path}/{_name(number)} is no black box; stop the app, remove the directory {path}"
        raise SharedDirectoryError(msg)
    os.ftruncate(descriptor, 0)
    return descriptor


class BlackBox:
    """This process's own black box."""

    def __init__(self) -> None:
        """Nothing is switched on yet."""
        self._descriptor = -1
        self._other = other_witness.NOBODY

    def install(self, directory: SharedDirectory, number: int) -> None:
        """Have the interpreter write into the black box of our segment, from now on; raises OSError when it cannot be made."""
        descriptor = _open_empty(directory, number, os.O_CREAT)
        previous, self._descriptor = self._descriptor, descriptor
        if previous < 0:
            self._other = other_witness.find()
        os.write(descriptor, self._other.note())
        faulthandler.enable(file=descriptor, all_threads=True)
        if previous >= 0:
            os.close(previous)

    def install_or_say_why(self, directory: SharedDirectory, number: int) -> None:
        """Do the same, or say in the log why it cannot be done."""
        try:
            self.install(directory, number)
        except (OSError, SharedDirectoryError) as error:
            log.warning("no black box: a worker that crashes will not name the line (%s)", error)

    def leave(self) -> None:
        """In a forked child: what kills it is not written into the parent's."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._other.reinstate()
