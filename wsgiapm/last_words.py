# SPDX-License-Identifier: Apache-2.0
"""The last words of a worker: what it was doing when it died, from all who know something of it.

The in-flight rows of its segment say which requests were running, the black box says where the code stood, and the server may
know with which status the process ended.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence

from wsgiapm import clock
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.adoption import Aborted
from wsgiapm.named_tuple import NamedTuple
from wsgiapm.profile.black_box import Frame, Testimony

EVENT = "wsgiapm.worker.died"
_SECOND = 1_000_000_000
_MEBIBYTE = 1024 * 1024
_LISTED_AT_MOST = 20
_NAMED_AT_MOST = 4
# In characters: with three bytes each a line of the log is still written at once, also into a pipe.
_LONGEST_MESSAGE = 1200
_LONGEST_FILE = 120
_LONGEST_FUNCTION = 80
# Without a sign of life for so long (nanoseconds), and nobody to tell the exit status, it may have died at any time since.
_LONG_SILENT = 60 * _SECOND
# What faulthandler calls the signals it is installed for.
_SIGNALS = {
    "Segmentation fault": "SIGSEGV",
    "Aborted": "SIGABRT",
    "Bus error": "SIGBUS",
    "Illegal instruction": "SIGILL",
    "Floating point exception": "SIGFPE",
}


def was_aborted(testimony: Testimony | None) -> bool:
    """Tell whether a process was sent SIGABRT, or sent it to itself."""
    return testimony is not None and _SIGNALS.get(testimony.reason) == "SIGABRT"


class Deceased(NamedTuple):
    """Who died, read from the header of its segment before anybody else writes there; times in nanoseconds."""

    worker: int
    pid: int
    uptime: int
    requests: int
    memory: int
    generation: int
    died: int
    """Monotonic time; where nobody knows it, of the last sign of life."""
    is_exact: bool

    @classmethod
    def read(cls, worker: int, header: Sequence[int], *, just_now: bool) -> Deceased:
        """Read the header of segment `worker`; `just_now` if it is known to have died a moment ago."""
        claimed, now = header[layout.CLAIMED_MONOTONIC], clock.monotonic_ns()
        heard = max(claimed, header[layout.LAST_HARVEST])
        is_exact = just_now or 0 <= now - heard < _LONG_SILENT
        died = max(now, claimed) if is_exact else heard
        requests = max(header[layout.BEGUN] - header[layout.BEGUN_AT_CLAIM], 0)
        memory, generation = header[layout.RESIDENT_MEMORY], header[layout.OWNERS]
        return cls(worker, header[layout.PID], died - claimed, requests, memory, generation, died, is_exact)


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


class OwnEnd(NamedTuple):
    """How a worker ended that ended by itself: `exit` in words, and the type of the exception that made it."""

    reason: str
    exit: str
    exception: str


class LastWords(NamedTuple):
    """One death, with everything that is known of it."""

    deceased: Deceased
    aborted: list[Aborted]
    testimony: Testimony | None = None
    status: int | None = None
    own: OwnEnd | None = None

    @property
    def reason(self) -> str:
        """What the worker died of, in a word: killed, timeout; or, when it ended by itself, exit or boot."""
        if self.own is not None:
            return self.own.reason
        return self.aborted[0].reason if self.aborted else "killed"

    @property
    def culprit(self) -> Aborted | None:
        """The request that most likely was the cause: that of the thread that crashed, else the one that ran longest."""
        if self.own is not None:
            return self.aborted[0] if self.aborted else None
        rows = [entry for entry in self.aborted if entry.row is not None]
        crashed = self.testimony.threads[0].identifier if self.testimony and self.testimony.threads else 0
        by_thread = [entry for entry in rows if entry.row is not None and entry.row.thread == crashed]
        return max(by_thread or rows, key=self._seconds, default=None)

    @property
    def frame(self) -> Frame | None:
        """The line of the app's own code where the culprit stood, None when nobody saw it."""
        frame = None if self.culprit is None else self.frame_of(self.culprit)
        return frame or next(iter(self._frames().values()), None)

    def frame_of(self, entry: Aborted) -> Frame | None:
        """Return the line of the app's own code where a request stood, None when nobody saw it.

        Of greenlets, which share a thread, nobody can tell which of them stood there.
        """
        if entry.row is None:
            return None
        sharing = sum(other.row is not None and other.row.thread == entry.row.thread for other in self.aborted)
        return self._frames().get(entry.row.thread) if sharing == 1 else None

    def _frames(self) -> dict[int, Frame]:
        return {} if self.testimony is None else self.testimony.app_frames()

    @property
    def message(self) -> str:
        """One sentence for the log and the report."""
        who = self.deceased
        how = "" if self._how == "unknown" else self._how
        cause = ", ".join(part for part in (self.reason, how, self._exception) if part)
        history = (
            f"; it had served {self._served()} requests in {self._duration(who.uptime / _SECOND)}"
            f"{f' and used {who.memory / _MEBIBYTE:.0f} MiB' if who.memory else ''}"
        )
        words = f"worker {who.worker} (pid {who.pid}) died ({cause}) {self._doing()}"
        return _cut(words, _LONGEST_MESSAGE - len(history)) + history

    @property
    def _how(self) -> str:
        return describe_exit(self.status, self.testimony) if self.own is None else self.own.exit

    @property
    def _exception(self) -> str:
        return "" if self.own is None else self.own.exception

    def _running(self) -> int:
        return sum(entry.count for entry in self.aborted)

    def _served(self) -> int:
        return max(self.deceased.requests - self._running(), 0)

    def _seconds(self, entry: Aborted) -> float:
        return 0.0 if entry.row is None else max(self.deceased.died - entry.row.start, 0) / _SECOND

    def _duration(self, seconds: float) -> str:
        return f"{'' if self.deceased.is_exact else 'at least '}{seconds:.1f} s"

    def _doing(self) -> str:
        culprit = self.culprit
        if culprit is None:
            doing = f"in {self._running()} requests of unknown route" if self.aborted else self._idling()
            return f"{doing}, at {_place(self.frame)}" if self.frame else doing
        rest = [entry for entry in self.aborted if entry is not culprit and entry.row is not None]
        named = [culprit, *sorted(rest, key=self._seconds, reverse=True)][:_NAMED_AT_MOST]
        others = self._running() - sum(entry.count for entry in named)
        more = f" and {others} other{'s' if others > 1 else ''}" if others else ""
        stood = "" if self.frame is None or any(map(self.frame_of, named)) else f", at {_place(self.frame)}"
        return f"while serving {', '.join(map(self._name, named))}{more}{stood}"

    def _idling(self) -> str:
        return "before it served anything" if self.own is not None and self.own.reason == "boot" else "while idle"

    def _name(self, entry: Aborted) -> str:
        frame, method = self.frame_of(entry), entry.row.method if entry.row is not None else ""
        where = f", at {_place(frame)}" if frame else ""
        return f"{method} {entry.route} ({self._duration(self._seconds(entry))}{where})"

    def payload(self) -> bytes:
        """Return the event as it stands in the journal: JSON with "event", "body" and flat "attributes"."""
        who, frame = self.deceased, self.frame
        attributes: dict[str, str | int] = {
            "worker": who.worker,
            "process.pid": who.pid,
            "wsgiapm.exit": self._how,
            "wsgiapm.reason": self.reason,
            "wsgiapm.uptime_ms": who.uptime // 1_000_000,
            "wsgiapm.requests": self._served(),
            "wsgiapm.memory_bytes": who.memory,
            "wsgiapm.generation": who.generation,
            "wsgiapm.aborted": self._running(),
            "wsgiapm.in_flight": json.dumps([self._describe(entry) for entry in self.aborted[:_LISTED_AT_MOST]]),
        }
        if frame is not None:
            attributes["code.file.path"] = frame.file
            attributes["code.line.number"] = frame.line
            attributes["code.function.name"] = frame.function
        if self._exception:
            attributes["exception.type"] = self._exception
        if self.testimony is not None and self.testimony.text:
            attributes["code.stacktrace"] = self.testimony.text
        return json.dumps({"event": EVENT, "body": self.message, "attributes": attributes}).encode()

    def _describe(self, entry: Aborted) -> dict[str, str | int | float]:
        row = entry.row
        if row is None:
            return {"route": entry.route, "count": entry.count}
        described: dict[str, str | int | float] = {
            "route": entry.route,
            "method": row.method,
            "seconds": round(self._seconds(entry), 3),
        }
        frame = self.frame_of(entry)
        return described if frame is None else {**described, "at": _place(frame)}


def _place(frame: Frame | None) -> str:
    if frame is None:
        return ""
    file = frame.file if len(frame.file) <= _LONGEST_FILE else f"…{frame.file[1 - _LONGEST_FILE :]}"
    return f"{file}:{frame.line} in {_cut(frame.function, _LONGEST_FUNCTION)}"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
