# SPDX-License-Identifier: Apache-2.0
"""The farewell: what a worker says of its own end when that is not an orderly one.

An exception that ends a worker (sys.exit in a request, an app that cannot be loaded, an error of the server's own) leaves
nothing behind that somebody else could find, but the worker still has the time to tell.
"""

from __future__ import annotations

import os
from types import TracebackType

from wsgiapm import native
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.adoption import Aborted
from wsgiapm.aggregate.in_flight import Row, read_rows
from wsgiapm.aggregate.instance import Instance
from wsgiapm.aggregate.schema import METHODS, SCHEMES, UNKNOWN
from wsgiapm.coroner import publish
from wsgiapm.last_words import Deceased, LastWords, OwnEnd
from wsgiapm.profile.black_box import Frame, Testimony, Thread
from wsgiapm.request import ended_request, error_type, raised_in
from wsgiapm.transaction import Transaction

_SERVER = "gunicorn."
_FRAMES_AT_MOST = 100


def say_farewell(instance: Instance, error: BaseException | None = None, *, booted: bool = True) -> None:
    """Note that this process is about to end, and tell how if `error` says that it is not in an orderly way.

    Args:
        instance: where it has been counting.
        error: the exception that ends the process, if one does.
        booted: whether it had come so far as to serve.
    """
    cells = instance.cells
    if cells[layout.FAREWELL] in (layout.TAKEN, layout.TOLD):
        return
    if isinstance(error, SystemExit) and not cells[layout.TIMED_OUT] and _is_worth_telling(error):
        publish(_compose(instance, error, booted=booted), instance)
        cells[layout.FAREWELL] = layout.TOLD
    else:
        cells[layout.FAREWELL] = layout.TAKEN


def exit_code(error: SystemExit) -> int:
    """Return the status a process ends with by this exception."""
    if error.code is None:
        return 0
    return error.code & 0xFF if isinstance(error.code, int) else 1


def _is_worth_telling(error: SystemExit) -> bool:
    return exit_code(error) != 0 or (ended_request(error) is not None and not _raised_by_server(error))


def _raised_by_server(error: BaseException) -> bool:
    # Its handlers of signals do so, wherever the app happens to be.
    return raised_in(error)[0].startswith(_SERVER)


def _compose(instance: Instance, error: SystemExit, *, booted: bool) -> LastWords:
    cause = error.__context__ if _raised_by_server(error) and error.__context__ is not None else error
    frames = _frames(cause.__traceback__)
    if isinstance(cause, SyntaxError) and cause.filename and cause.lineno:
        frames = (Frame(cause.filename, cause.lineno, "<module>"), *frames)
    testimony = Testimony("", (Thread(native.get_ident(), frames),), "")
    end = OwnEnd("exit" if booted else "boot", f"exit code {exit_code(error)}", error_type(cause) or "SystemExit")
    who = Deceased.read(instance.segment.number, instance.cells, just_now=True)
    return LastWords(who, _requests(instance, ended_request(error)), testimony, None, end)


def _requests(instance: Instance, ended: Transaction | None) -> list[Aborted]:
    """Return the request that ended the process, which counts as finished, and those that were in flight beside it."""
    names = instance.index.names
    rows = [row for row in read_rows(instance.cells) if not row.ended]
    found = [Aborted(names[row.name] if row.name < len(names) else UNKNOWN, "exit", 1, row) for row in rows]
    if ended is not None:
        method, scheme = METHODS[ended.method >> 8 & 0xFF], SCHEMES[ended.method >> 4 & 1]
        row = Row(0, ended.start, 0, method, scheme, layout.RUNNING, native.get_ident(), 0)
        found.insert(0, Aborted(ended.given_name or ended.fallback, "exit", 0, row))
    return found


def _frames(traceback: TracebackType | None) -> tuple[Frame, ...]:
    frames: list[Frame] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(Frame(os.path.abspath(code.co_filename), traceback.tb_lineno, code.co_name))
        traceback = traceback.tb_next
    return tuple(reversed(frames[-_FRAMES_AT_MOST:]))
