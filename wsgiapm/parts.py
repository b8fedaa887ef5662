# SPDX-License-Identifier: Apache-2.0
"""The parts of the durations of requests that call something: where their time went, by the series they are counted in.

Such a request adds to other sums than one that calls nothing: side by side, the times up to the first byte and after it
and the times of the components within them. So Python's is what remains, for whoever reads them at whatever moment; and
series whose requests call nothing need no cells for it.
"""

from __future__ import annotations

from wsgiapm.aggregate import schema
from wsgiapm.aggregate.catalogue import Series
from wsgiapm.aggregate.index import IndexFullError
from wsgiapm.aggregate.instance import Instance
from wsgiapm.transaction import Sums

_WITHOUT_PARTS = 3


class Parts:
    """Finds the cells of one segment. `heads` are those that have been found, by the head of the series itself."""

    def __init__(self, instance: Instance) -> None:
        """Nothing is entered into the index before the first request that calls something."""
        self._instance = instance
        self.heads: dict[int, int] = {}

    def prepare(self, series: Series, sums: Sums) -> bool:
        """Make sure that sums can be added for a series; False when the index is busy."""
        if len(sums) == _WITHOUT_PARTS or series.head in self.heads:
            return True
        try:
            found = self._instance.series(schema.PARTS_OF[series.metric], series.attributes)
        except (IndexFullError, OSError):
            return True  # then all of the time is Python's
        if found is None:
            return False
        self.heads[series.head] = found.head
        return True

    def add(self, head: int, sums: Sums) -> None:
        """Add the sums of one request of the series with this head."""
        cells = self._instance.segment.cells
        first_byte, rest, size, *components = sums
        parts = self.heads.get(head) if components else None
        if parts is None:
            cells[head] += first_byte
            cells[head + 1] += rest
        else:
            cells[parts] += first_byte
            if rest:
                cells[parts + 1] += rest
            for place, nanoseconds in enumerate(components, parts + 2):
                if nanoseconds:
                    cells[place] += nanoseconds
        cells[head + 2] += size
