# SPDX-License-Identifier: Apache-2.0
"""The last words of a worker: what it was doing when it died, from all who know something of it.

The in-flight rows of its segment say which requests were running, the black box says where the code stood, and the server may
know with which status the process ended.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from typing import NamedTuple

from wsgiapm import clock, log
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.adoption import Aborted
from wsgiapm.aggregate.instance import Instance
from wsgiapm.profile.black_box import Frame, Testimony, clear_black_box, read_black_box

EVENT = "wsgiapm.worker.died"
FindStatus = Callable[[int], int | None]
_SECOND = 1_000_000_000
_MEBIBYTE = 1024 * 1024
_LISTED_AT_MOST = 20
_NAMED_AT_MOST = 4
# What faulthandler calls the signals it is installed for.
_SIGNALS = {
    "Segmentation fault": "SIGSEGV",
    "Aborted": "SIGABRT",
    "Bus error": "SIGBUS",
    "Illegal instruction": "SIGILL",
    "Floating point exception": "SIGFPE",
}


class Deceased(NamedTuple):
    """Who died, read from the header of its segment before anybody else writes there; times in nanoseconds."""

    worker: int
    pid: int
    uptime: int
    requests: int
    memory: int

    @classmethod
    def read(cls, worker: int, header: Sequence[int]) -> Deceased:
        """Read the header of segment `worker`."""
        claimed = header[layout.CLAIMED_MONOTONIC]
        last = max(clock.monotonic_ns(), claimed)
        requests = max(header[layout.BEGUN] - header[layout.BEGUN_AT_CLAIM], 0)
        return cls(worker, header[layout.PID], last - claimed, requests, header[layout.RESIDENT_MEMORY])


def describe_exit(status: int | None, testimony: Testimony | None) -> str:
    """Return how the process ended in a word or two: a signal's name, an exit code, or "unknown".

    `status` is what os.waitpid returned, None when nobody knows it.
    """
    if status is not None and os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            return signal.Signals(number).name
        except ValueError:
            return f"signal {number}"
    if status is not None and os.WIFEXITED(status):
        return f"exit code {os.WEXITSTATUS(status)}"
    if testimony is not None:
        return _SIGNALS.get(testimony.reason, testimony.reason) or "unknown"
    return "unknown"


class LastWords(NamedTuple):
    """One death, with everything that is known of it."""

    deceased: Deceased
    aborted: list[Aborted]
    testimony: Testimony | None = None
    status: int | None = None

    @property
    def culprit(self) -> Aborted | None:
        """The request that most likely was the cause: that of the thread that crashed, else the one that ran longest."""
        rows = [entry for entry in self.aborted if entry.row is not None]
        crashed = self.testimony.threads[0].identifier if self.testimony and self.testimony.threads else 0
        by_thread = [entry for entry in rows if entry.row is not None and entry.row.thread == crashed]
        return max(by_thread or rows, key=_seconds, default=None)

    @property
    def frame(self) -> Frame | None:
        """The line of the app's own code where the culprit stood, None when nobody saw it."""
        frame = None if self.culprit is None else self.frame_of(self.culprit)
        return frame or next(iter(self._frames().values()), None)

    def frame_of(self, entry: Aborted) -> Frame | None:
        """Return the line of the app's own code where a request stood, None when nobody saw it."""
        return None if entry.row is None else self._frames().get(entry.row.thread)

    def _frames(self) -> dict[int, Frame]:
        return {} if self.testimony is None else self.testimony.app_frames()

    @property
    def message(self) -> str:
        """One sentence for the log and the report."""
        who, how = self.deceased, describe_exit(self.status, self.testimony)
        reason = self.aborted[0].reason if self.aborted else "killed"
        cause = f"{reason}, {how}" if how != "unknown" else reason
        return (
            f"worker {who.worker} (pid {who.pid}) died ({cause}) {self._doing()}"
            f"; it had served {max(who.requests - self._running(), 0)} requests in {who.uptime / _SECOND:.1f} s"
            f"{f' and used {who.memory / _MEBIBYTE:.0f} MiB' if who.memory else ''}"
        )

    def _running(self) -> int:
        return sum(entry.count for entry in self.aborted)

    def _doing(self) -> str:
        culprit = self.culprit
        if culprit is None:
            doing = f"in {self._running()} requests of unknown route" if self.aborted else "while idle"
            return f"{doing}, at {_place(self.frame)}" if self.frame else doing
        rest = [entry for entry in self.aborted if entry is not culprit and entry.row is not None]
        named = [culprit, *sorted(rest, key=_seconds, reverse=True)][:_NAMED_AT_MOST]
        others = self._running() - len(named)
        more = f" and {others} other{'s' if others > 1 else ''}" if others else ""
        return f"while serving {', '.join(map(self._name, named))}{more}"

    def _name(self, entry: Aborted) -> str:
        frame, method = self.frame_of(entry), entry.row.method if entry.row is not None else ""
        if frame is None and entry is self.culprit and len(self.aborted) == 1:
            frame = self.frame
        return f"{method} {entry.route} ({_seconds(entry):.1f} s{f', at {_place(frame)}' if frame else ''})"

    def payload(self) -> bytes:
        """Return the event as it stands in the journal: JSON with "event", "body" and flat "attributes"."""
        who, frame = self.deceased, self.frame
        attributes: dict[str, str | int] = {
            "worker": who.worker,
            "process.pid": who.pid,
            "wsgiapm.exit": describe_exit(self.status, self.testimony),
            "wsgiapm.reason": self.aborted[0].reason if self.aborted else "killed",
            "wsgiapm.uptime_ms": who.uptime // 1_000_000,
            "wsgiapm.requests": max(who.requests - self._running(), 0),
            "wsgiapm.memory_bytes": who.memory,
            "wsgiapm.aborted": self._running(),
            "wsgiapm.in_flight": json.dumps([self._describe(entry) for entry in self.aborted[:_LISTED_AT_MOST]]),
        }
        if frame is not None:
            attributes["code.file.path"] = frame.file
            attributes["code.line.number"] = frame.line
            attributes["code.function.name"] = frame.function
        if self.testimony is not None:
            attributes["code.stacktrace"] = self.testimony.text
        return json.dumps({"event": EVENT, "body": self.message, "attributes": attributes}).encode()

    def _describe(self, entry: Aborted) -> dict[str, str | int | float]:
        row = entry.row
        if row is None:
            return {"route": entry.route, "count": entry.count}
        described: dict[str, str | int | float] = {
            "route": entry.route,
            "method": row.method,
            "seconds": round(_seconds(entry), 3),
        }
        frame = self.frame_of(entry)
        return described if frame is None else {**described, "at": _place(frame)}


def _seconds(entry: Aborted) -> float:
    return 0.0 if entry.row is None else max(clock.monotonic_ns() - entry.row.start, 0) / _SECOND


def _place(frame: Frame | None) -> str:
    return "" if frame is None else f"{frame.file}:{frame.line} in {frame.function}"


class Coroner:
    """The witness who tells the log and the journal. `find_status(pid)` gives the exit status of a process, if known."""

    def __init__(self, instance: Instance, find_status: FindStatus) -> None:
        """Look at the segment of `instance` and its black box before it is settled."""
        self._instance = instance
        number = instance.segment.number
        self._deceased = Deceased.read(number, instance.cells)
        directory = instance.directory
        self._testimony = None if directory is None else read_black_box(directory, number)
        self._status = find_status(self._deceased.pid)
        if self._was_stuck():
            instance.cells[layout.TIMED_OUT] = 1

    def _was_stuck(self) -> bool:
        # gunicorn sends SIGABRT to a worker that takes too long, and SIGKILL if it cannot even react.
        stuck = self._testimony is not None and _SIGNALS.get(self._testimony.reason) == "SIGABRT"
        return (
            stuck
            and self._status is not None
            and os.WIFSIGNALED(self._status)
            and os.WTERMSIG(self._status) == signal.SIGKILL
        )

    def tell(self, aborted: list[Aborted]) -> None:
        """Say in the log and in the journal of the segment what it was doing; nothing for one that ended well."""
        if not aborted and self._testimony is None:
            return
        words = LastWords(self._deceased, aborted, self._testimony, self._status)
        log.warning("%s", words.message)
        instance = self._instance
        if instance.journal is not None:
            instance.journal.append(layout.WORKER_DIED_EVENT, words.payload())
        if instance.directory is not None:
            clear_black_box(instance.directory, instance.segment.number)
