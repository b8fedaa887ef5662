# SPDX-License-Identifier: Apache-2.0
"""The coroner: looks at the segment of a dead worker before it is settled, and tells the log and the journal how it died.

A worker that ended in an orderly way, because it was recycled, reloaded or no longer needed, is not told of.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from wsgiapm import log
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.adoption import Aborted
from wsgiapm.aggregate.instance import Instance
from wsgiapm.last_words import Deceased, LastWords, was_aborted
from wsgiapm.profile.black_box import clear_black_box, read_black_box
from wsgiapm.profile.other_witness import give_back

FindStatus = Callable[[int], int | None]


def publish(words: LastWords, instance: Instance) -> None:
    """Say in the journal and in the log of `instance` how a worker died."""
    if instance.journal is not None:
        instance.journal.append(layout.WORKER_DIED_EVENT, words.payload())
    log.warning("%s", words.message)


class Coroner:
    """The witness of a settlement. `find_status(pid)` gives the exit status of a process, if known."""

    def __init__(self, instance: Instance, find_status: FindStatus) -> None:
        """Look at the segment of `instance` and its black box before it is settled."""
        self._instance = instance
        number, cells = instance.segment.number, instance.cells
        directory = instance.directory
        self._testimony = None if directory is None else read_black_box(directory, number)
        self._status = find_status(cells[layout.PID])
        self._deceased = Deceased.read(number, cells, just_now=self._status is not None)
        # Who had promised to say so when it ends, and has not, was killed, even if it was idle.
        self._broke_promise = cells[layout.FAREWELL] == layout.PROMISED
        self._was_told = cells[layout.FAREWELL] == layout.TOLD
        if self._was_stuck():
            cells[layout.TIMED_OUT] = 1

    def _was_stuck(self) -> bool:
        # gunicorn sends SIGABRT to a worker that takes too long, and SIGKILL if it cannot even react.
        return (
            was_aborted(self._testimony)
            and self._status is not None
            and os.WIFSIGNALED(self._status)
            and os.WTERMSIG(self._status) == signal.SIGKILL
        )

    def tell(self, aborted: list[Aborted]) -> None:
        """Tell what it was doing; nothing of one that ended well, or has told that itself."""
        instance = self._instance
        if self._was_told or not (aborted or self._testimony or self._broke_promise):
            return
        instance.cells[layout.FAREWELL] = layout.TOLD
        publish(LastWords(self._deceased, aborted, self._testimony, self._status), instance)
        if instance.directory is not None and self._testimony is not None:
            give_back(self._testimony.owed_to, self._testimony.text)
            clear_black_box(instance.directory, instance.segment.number)
