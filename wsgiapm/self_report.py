# SPDX-License-Identifier: Apache-2.0
"""What an agent says of itself in its segment, for the doctor: what its process is like, and the errors it caught."""

from __future__ import annotations

from collections import Counter

from wsgiapm import surroundings
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.instance import Instance


class SelfReport:
    """The report of one agent. What happens before there is a segment is written when there is one."""

    def __init__(self, bad_settings: int) -> None:
        """`bad_settings`: how many settings are not what somebody meant. Set `threads` to False when none can be had."""
        self._bad_settings = bad_settings
        self._instance: Instance | None = None
        self._pending: Counter[int] = Counter()
        self._started_patched = False
        self._hooked = False
        self.threads = True

    def open(self, instance: Instance, *, hooked: bool) -> None:
        """Begin to write into the segment of `instance`; `hooked`: a server's hook starts the agent, not a request."""
        self._instance = instance
        self._hooked = hooked
        self._started_patched = surroundings.is_patched()
        pending, self._pending = self._pending, Counter()
        for word, errors in pending.items():
            instance.cells[word] += errors
        self.write()

    def close(self) -> None:
        """In the child of a fork: the segment is the parent's."""
        self._instance = None
        self._pending.clear()

    def write(self) -> None:
        """Write down what the process is like now."""
        if self._instance is not None:
            self._instance.cells[layout.SURROUNDINGS] = surroundings.describe(
                hooked=self._hooked,
                started_patched=self._started_patched,
                threads=self.threads,
                bad_settings=self._bad_settings,
            )

    def count_error(self, gate: int) -> None:
        """Count an error that was caught; `gate` is the word in the segment, see `layout.GATES`."""
        if self._instance is None:
            self._pending[gate] += 1
        else:
            self._instance.cells[gate] += 1
