# SPDX-License-Identifier: Apache-2.0
"""How processes ended, told by the parent that reaped them to its other children.

It is a page of anonymous shared memory made before the first fork: the parent touches no file, and no setting of a child needs to
be known to it.
"""

from __future__ import annotations

import mmap

_PLACES = 128
_WORDS_EACH = 2


class ExitStatuses:
    """The last exit statuses, by pid. One process writes, others read."""

    def __init__(self) -> None:
        """Make the page; it is shared with all children forked from now on."""
        self._words = memoryview(mmap.mmap(-1, _PLACES * _WORDS_EACH * 8)).cast("Q")
        self._next = 0

    def note(self, pid: int, status: int) -> None:
        """Write down the status os.waitpid gave for a child."""
        place = self._next % _PLACES * _WORDS_EACH
        self._words[place] = 0
        self._words[place + 1] = status
        self._words[place] = pid
        self._next += 1

    def find(self, pid: int) -> int | None:
        """Return the status a process ended with, None when nobody noted it."""
        found = [place for place in range(0, len(self._words), _WORDS_EACH) if self._words[place] == pid]
        return self._words[found[-1] + 1] if found and pid else None
