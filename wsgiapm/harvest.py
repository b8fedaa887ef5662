# SPDX-License-Identifier: Apache-2.0
"""Harvesting: in every worker a thread that refreshes its gauges, and in one of them the merge and the upload.

The leader is whoever holds the leader lock; the kernel frees it when a leader dies. Everything here runs behind a gate:
an exception ends a round, is counted, and never the thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Protocol

from wsgiapm import clock, log, native
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.instance import Instance
from wsgiapm.aggregate.keeper import Keeper
from wsgiapm.aggregate.merge import note_uploaded, stream_snapshot
from wsgiapm.aggregate.orphans import settle_orphans
from wsgiapm.aggregate.owner import resident_memory
from wsgiapm.aggregate.resource import Resource
from wsgiapm.aggregate.turn import Turn
from wsgiapm.config import Settings, ingest_token, shared_directory
from wsgiapm.coroner import Coroner, FindStatus
from wsgiapm.errors import SharedDirectoryError
from wsgiapm.event_delivery import deliver_events
from wsgiapm.explain import make_explainer
from wsgiapm.exporters.otlp import encode_metrics
from wsgiapm.otlp import METRICS_PATH
from wsgiapm.pace import GivingWay
from wsgiapm.uploader import Outcome, Uploader

_FIRST_AFTER = 1.0
# How often who ends asks to lead, and for how long (s) between: many workers end at once, and the last has it all.
_LAST_ATTEMPTS = 50
_LAST_PAUSE = 0.005
# A process that has given no sign of life for this long (seconds), or for three rounds, is stuck.
_PATIENCE = 30.0


class Backlog(Protocol):
    """What is asked of a recorder here."""

    def work_off(self) -> None:
        """Count what had to wait for the index."""


def make_uploader(settings: Settings) -> Uploader | None:
    """Return the uploader the settings describe, None when nothing is to be uploaded."""
    if not settings.endpoint:
        return None
    return Uploader(
        settings.endpoint,
        token=lambda: ingest_token(settings),
        headers=settings.headers,
        proxy=settings.proxy,
        ca_file=settings.ca_file,
    )


def guard(step: Callable[[], None], what: str) -> bool:
    """Take a step; when it fails, say so and go on. Returns whether it went well."""
    try:
        step()
    except SharedDirectoryError as error:  # no fault of ours, and it says what to do
        log.once(f"harvest {error}", "ERROR", "%s", error)
        return False
    except OSError as error:  # the system's fault
        log.once(f"harvest {what} {error}", "ERROR", "%s failed: %s", what, error)
        return False
    except Exception as error:  # a gate
        log.once(f"harvest {what} {type(error)}", "ERROR", "%s failed, please report it: %r", what, error)
        return False
    return True


def pause_until_next(interval: float, now: float) -> float:
    """Return the seconds until the next round.

    Rounds are in the middle of the intervals of wall time, whoever leads: charts whose slots begin at multiples of the
    interval then have exactly one round in each.
    """
    pause = interval - (now + interval / 2) % interval
    return pause if pause > interval / 10 else pause + interval


def know_nothing(_pid: int) -> None:
    """Know no exit status."""


class Harvester:
    """The rounds of one process."""

    def __init__(
        self,
        instance: Instance,
        settings: Settings,
        recorder: Backlog | None = None,
        find_status: FindStatus = know_nothing,
    ) -> None:
        """`recorder` is None in a process that only harvests; `find_status` gives exit statuses by pid."""
        self._call_witness = partial(Coroner, find_status=find_status)
        self._instance = instance
        self._settings = settings
        self._recorder = recorder
        self._uploader: Uploader | None = None
        self._resource = Resource(settings.service_version)
        self._stop, self._done = native.allocate_lock(), native.allocate_lock()
        self._stop.acquire()
        self._done.acquire()
        self._started = self._last_round = False
        self._cpu_before = instance.cells[layout.CPU_TIME] - time.process_time_ns()
        self._leading = self._saw_requests = self._uploaded_empty = self._told_delivery = False
        self._patience = 0
        self._next_look = 0
        self._turn = Turn()
        self._explainer = make_explainer(instance, settings)
        self._keeper = Keeper(instance, settings.harvest_interval)
        self.restored: Callable[[], None] = lambda: None
        self.describe: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Begin the rounds in a native thread; raises RuntimeError when the system gives none."""
        native.start_thread(self._run)
        self._started = True
        self._patience = int(max(3 * self._settings.harvest_interval, _PATIENCE) * 1e9)

    def stop(self) -> None:
        """End the rounds; a round that is under way is not waited for."""
        self._patience = 0
        if self._stop.locked():
            self._stop.release()

    def finish(self, seconds: float) -> None:
        """End the rounds with one more, in the thread; it is not waited for longer than `seconds`.

        Without rounds it is no more than `end`; nothing at all when they have been stopped, and the second time. At exit no
        thread can be started any more.
        """
        if not self._started:
            self.end()
        if self._started and self._stop.locked() and not self._last_round:
            self._last_round = True
            self._stop.release()
            self._done.acquire(timeout=seconds)

    def _run(self) -> None:
        pause = min(_FIRST_AFTER, self._settings.harvest_interval)
        while not self._stop.acquire(timeout=pause):
            self.run_round()
            pause = pause_until_next(self._interval(), clock.time())
        if self._last_round:
            self.end()
            self._try(self._lead_last, "merging and uploading")
        self._try(self._stop_leading, "ending to lead")
        self._done.release()

    def _interval(self) -> float:
        # Who has just switched it on looks for the first request; until then the leader looks every second too.
        waiting = self._leading and not self._saw_requests
        return min(_FIRST_AFTER, self._settings.harvest_interval) if waiting else self._settings.harvest_interval

    def run_round(self) -> None:
        """Refresh our gauges; as the leader also settle, merge and upload."""
        self._try(self._stay, "restoring the shared directory")
        self._try(self.refresh, "writing the gauges")
        self._try(self._explainer.work_off, "explaining slow SQL")
        self._try(self._lead, "merging and uploading")

    @property
    def started(self) -> bool:
        """Whether there is a thread."""
        return self._started

    def look_after(self) -> None:
        """Do what every process has to do in a round, on whatever thread this is, if a round is due."""
        now = clock.monotonic_ns()
        with self._turn.taken() as ours:
            if not ours or now < self._next_look:
                return
            self._next_look = now + int(self._settings.harvest_interval * 1e9)
            self._try(self._stay, "restoring the shared directory")
            self._try(self.refresh, "writing the gauges")

    def _try(self, step: Callable[[], None], what: str) -> None:
        if not guard(step, what) and self._recorder is not None:
            self._instance.cells[layout.HARVEST_ERRORS] += 1

    def end(self) -> None:
        """Do the same before this process ends, and wait for others if need be: nobody else can put its counters back."""
        self._try(partial(self._stay, last=True), "restoring the shared directory")
        self._try(self.refresh, "writing the gauges")

    def _stay(self, *, last: bool = False) -> None:
        check = self._keeper.check_last if last else self._keeper.check
        if self._recorder is not None and check(leading=self._leading):
            log.warning(
                "the shared directory %s was removed, or files in it exchanged; restored",
                shared_directory(self._settings),
            )
            self.restored()

    def refresh(self) -> None:
        """Write this process's gauges into its segment and count what had to wait."""
        if self._recorder is None:
            return
        self._recorder.work_off()
        cells = self._instance.cells
        if self._instance.journal is not None:
            self._instance.journal.flush()
        cells[layout.CPU_TIME] = self._cpu_before + time.process_time_ns()
        cells[layout.RESIDENT_MEMORY] = resident_memory()
        cells[layout.LAST_HARVEST] = now = clock.monotonic_ns()
        cells[layout.DUE] = now + self._patience if self._patience else 0
        self._instance.keep()
        self.describe()

    def leads(self) -> bool:
        """Tell whether this process is the one that merges and uploads, becoming it if nobody is."""
        directory = self._instance.directory
        # Asked anew each time: something in this process may have closed all descriptors, and with them our locks.
        try:
            self._leading = directory is None or directory.try_lock(layout.LEADER_LOCK)
        except FileNotFoundError:  # it was removed just now; what we kept as its leader is put back with it
            return False
        return self._leading

    def _stop_leading(self) -> None:
        directory = self._instance.directory
        if directory is not None and self._leading:
            self._leading = False
            with suppress(FileNotFoundError):
                directory.unlock(layout.LEADER_LOCK)

    def _lead(self) -> None:
        led = self._leading
        if self.leads():
            if not led:
                self._stay()
            self.run_once()

    def _lead_last(self) -> None:
        for _ in range(_LAST_ATTEMPTS):
            if self.leads():
                self.run_once()
                return
            native.sleep(_LAST_PAUSE)

    def run_once(self) -> bool:
        """Settle what dead workers left, merge and upload; returns whether the server has it."""
        self._instance.refresh()
        settle_orphans(self._instance, self._call_witness)
        return self.upload()

    def _note_outcome(self, outcome: Outcome, *, delivered: bool) -> None:
        if self._recorder is not None:
            cells = self._instance.cells
            cells[layout.UPLOAD_STATUS] = outcome.status or layout.NO_ANSWER
            if delivered:
                cells[layout.LAST_DELIVERY] = clock.monotonic_ns()

    def takes_turn(self) -> bool:
        """Tell whether we may upload now, until `upload` ends: two at once could send the older sums last."""
        directory = self._instance.directory
        return directory is None or directory.try_lock(layout.UPLOAD_LOCK)

    def upload(self) -> bool:
        """Merge and send, if it is our turn; returns whether the server has it."""
        if not self.takes_turn():
            return False
        try:
            return self._upload()
        finally:
            if self._instance.directory is not None:
                self._instance.directory.unlock(layout.UPLOAD_LOCK)

    def _upload(self) -> bool:
        if self._uploader is None:
            self._uploader = make_uploader(self._settings)
        if self._uploader is None or not self._uploader.ready() or self._keeper.is_silent():
            return False
        pace = GivingWay()
        snapshot = stream_snapshot(self._instance, self._resource, pace)
        note_uploaded(self._instance.index, snapshot.time_unix_nano)
        self._saw_requests = self._saw_requests or snapshot.has_requests
        if self._uploaded_empty and not self._saw_requests:
            return True
        outcome = self._uploader.send(METRICS_PATH, encode_metrics(snapshot, pace))
        delivered = outcome.kind in ("delivered", "partial")
        self._note_outcome(outcome, delivered=delivered)
        self._uploaded_empty = delivered
        if delivered:
            deliver_events(self._instance, self._resource, self._uploader)
        if delivered and not self._told_delivery:
            log.info("harvest: counters of %s go to %s", self._settings.app_name, self._settings.endpoint)
            self._told_delivery = True
        return delivered
