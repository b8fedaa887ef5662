# SPDX-License-Identifier: Apache-2.0
"""The recorder: from a transaction to its cells. The only code that runs for every request besides the middleware.

Nothing here does I/O, waits for a lock or raises into the app's request on purpose; a series seen for the first time
takes the slow way through the shared index.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from wsgiapm import route
from wsgiapm.aggregate import schema
from wsgiapm.aggregate.backlog import Backlog
from wsgiapm.aggregate.in_flight import FIRST_POSITIONS, tag
from wsgiapm.aggregate.index import IndexFullError, Series
from wsgiapm.aggregate.instance import OTHER_ERRORS, OTHER_REQUESTS, Instance
from wsgiapm.aggregate.layout import BEGUN, ROWLESS, WAITING
from wsgiapm.aggregate.snapshot import Attributes
from wsgiapm.transaction import Transaction

_PATHS_AT_MOST = 4096
_NAME_SHIFT = 32
_LARGEST_BLOCK = 16
# Series of `(other)` routes are still told apart by method and status, up to this many above the cap.
_OTHER_SERIES = 200

# (name, status or None, method code and scheme, error type or None)
Key = tuple[str, int | None, int, str | None]
Entry = tuple[int, list[int], Series]


def method_and_scheme(method: str, scheme: str) -> int:
    """Return the low bits of a row's tag for a request's method and scheme."""
    return tag(0, schema.METHOD_CODES.get(method, 0), int(scheme == "https"))


class Recorder:
    """Counts the transactions of this process in its segment."""

    def __init__(self, instance: Instance, *, max_series: int, error_status: Iterable[tuple[int, int]]) -> None:
        """`max_series` is the number of series after which new routes become `(other)`."""
        self.instance = instance
        self._max_series = max_series
        self._error_status = tuple(error_status)
        self._uppers = instance.table.uppers
        self._octaves = instance.table.octaves
        self._entries: dict[Key, Entry] = {}
        self._paths: dict[str, tuple[str, int]] = {}
        self._backlog: Backlog[Key] = Backlog()
        self._queue: Series | None = None
        self._free = list(FIRST_POSITIONS)
        self.renamed = self._rename
        self._use_cells()

    def _use_cells(self) -> None:
        self.cells = self.instance.segment.cells
        self._end = len(self.cells) - _LARGEST_BLOCK

    def begin(self, transaction: Transaction, path: str) -> None:
        """Enter a transaction among those in flight. `path` is SCRIPT_NAME and PATH_INFO as in the environ."""
        found = self._paths.get(path)
        if found is None:
            found = self._fold(path)
        transaction.fallback, name = found
        transaction.renamed = self.renamed
        transaction.tag = word = name | transaction.method
        cells = self.cells
        try:
            transaction.row = row = self._free.pop()
        except IndexError:
            transaction.row = 0
            cells[ROWLESS] += 1
            cells[BEGUN] += 1
            return
        cells[row + 1] = word
        cells[row] = transaction.start
        cells[BEGUN] += 1

    def finish(self, transaction: Transaction, end: int) -> None:
        """Count a transaction that ended at `end` (monotonic nanoseconds)."""
        name = transaction.given_name
        if name is None:
            name = schema.NOT_FOUND if transaction.status == 404 else transaction.fallback
        key = (name, transaction.status, transaction.method, transaction.error)
        entry = self._entries.get(key)
        duration = end - transaction.start
        cell = bisect_left(self._uppers, duration)
        if entry is None:
            self._finish_slowly(key, cell, duration, transaction)
            return
        head, blocks, _ = entry
        position = blocks[self._octaves[cell]]
        if not position or position + cell > self._end:
            self._finish_slowly(key, cell, duration, transaction)
            return
        cells = self.cells
        row = transaction.row
        if row:
            cells[row + 1] = transaction.tag + 1  # from running to being counted
        cells[head] += duration
        cells[head + 1] += transaction.first_byte
        cells[head + 2] += transaction.size
        cells[position + cell] += 1
        if row:
            cells[row] = 0
            self._free.append(row)
        else:
            cells[ROWLESS] -= 1
        if transaction.queue:
            self.record_queue(transaction.queue)

    def forget(self, transaction: Transaction) -> None:
        """End a transaction that is to be ignored."""
        self.cells[BEGUN] -= 1
        self._free_row(transaction)

    def _free_row(self, transaction: Transaction) -> None:
        if transaction.row:
            self.cells[transaction.row] = 0
            self._free.append(transaction.row)
        else:
            self.cells[ROWLESS] -= 1

    def _finish_slowly(self, key: Key, cell: int, duration: int, transaction: Transaction) -> None:
        sums = (duration, transaction.first_byte, transaction.size)
        if transaction.row:
            self.cells[transaction.row + 1] = transaction.tag + 1
        if not self._count(key, {cell: 1}, sums):
            self._backlog.append(key, cell, sums)
            self.cells[WAITING] += 1
        self._free_row(transaction)
        if transaction.queue:
            self.record_queue(transaction.queue)
        self.work_off()

    def _count(self, key: Key, counts: dict[int, int], sums: Iterable[int]) -> bool:
        """Count observations of one series; False when the index is busy."""
        entry = self._entries.get(key) or self._find(key)
        if entry is None:
            return False
        head, blocks, series = entry
        for cell in counts:
            octave = self._octaves[cell]
            if not blocks[octave]:
                try:
                    if not self.instance.add_block(series, octave):
                        return False
                except (IndexFullError, OSError):
                    head, blocks, series = self._other(key)
                    self._dropped("budget")
                    break
        self._use_cells()
        cells = self.cells
        for position, value in enumerate(sums, head):
            cells[position] += value
        for cell, count in counts.items():
            cells[blocks[self._octaves[cell]] + cell] += count
        return True

    def work_off(self) -> None:
        """Count what had to wait for the index, as far as it is free now."""
        if not self._backlog:
            return
        for key, waiting in self._backlog.take().items():
            count = sum(waiting.cells.values())
            if self._count(key, waiting.cells, waiting.sums):
                self.cells[WAITING] -= count
            else:
                self._backlog.put_back(key, waiting)

    def _find(self, key: Key) -> Entry | None:
        name, status, method, error = key
        attributes = self._attributes(name, status, method, error)
        known = self.instance.index.by_key.get((schema.REQUEST_DURATION, attributes))
        count = len(self.instance.index.series)
        if known is None and count >= self._max_series:
            self._dropped("max_series")
            attributes = self._attributes(schema.OTHER, status, method, error)
            known = self.instance.index.by_key.get((schema.REQUEST_DURATION, attributes))
            if known is None and count >= self._max_series + _OTHER_SERIES:
                return self._other(key)
        if known is None:
            try:
                known = self.instance.series(schema.REQUEST_DURATION, attributes)
            except (IndexFullError, OSError):
                self._dropped("budget")
                return self._other(key)
        if known is None:
            return None
        entry = (known.head, known.blocks_of(self.instance.table_number), known)
        self.instance.segment.cover(len(self.instance.index.chunks))
        self._use_cells()
        if len(self._entries) < 2 * self._max_series:
            self._entries[key] = entry
        return entry

    def _attributes(self, name: str, status: int | None, method: int, error: str | None) -> Attributes:
        if error is None and status is not None and any(low <= status <= high for low, high in self._error_status):
            error = str(status)
        values: dict[str, str | int | None] = {
            schema.ERROR: error,
            schema.METHOD: schema.METHODS[method >> 8 & 0xFF],
            schema.ROUTE: name,
            schema.STATUS: status,
            schema.SCHEME: schema.SCHEMES[method >> 4 & 1],
        }
        return tuple(sorted((attribute, value) for attribute, value in values.items() if value is not None))

    def _other(self, key: Key) -> Entry:
        failed = any(name == schema.ERROR for name, _ in self._attributes(*key))
        attributes = OTHER_ERRORS if failed else OTHER_REQUESTS
        series = self.instance.index.by_key[schema.REQUEST_DURATION, attributes]
        return series.head, series.blocks_of(self.instance.table_number), series

    def _dropped(self, reason: str) -> None:
        position = self.instance.dropped.get(reason)
        if position is not None:
            self.cells[position] += 1

    def _fold(self, path: str) -> tuple[str, int]:
        folded = route.fold(path)
        number = self._number(folded)
        if len(self._paths) >= _PATHS_AT_MOST:
            self._paths.clear()
        found = (folded, number << _NAME_SHIFT)
        if number:
            self._paths[path] = found
        return found

    def _number(self, name: str) -> int:
        """Return the number of a name; 0, which means unknown, when it cannot be had now."""
        index = self.instance.index
        number = index.name_numbers.get(name)
        if number is None and len(index.names) < 2 * self._max_series:
            try:
                number = index.add_name(name)
            except OSError:
                number = None
        return number or 0

    def _rename(self, transaction: Transaction) -> None:
        if transaction.row and transaction.given_name is not None:
            number = self._number(transaction.given_name)
            transaction.tag = number << _NAME_SHIFT | transaction.method
            self.cells[transaction.row + 1] = transaction.tag

    def record_queue(self, duration: int) -> None:
        """Count the time (nanoseconds) a request waited in front of the worker."""
        cell = bisect_left(self._uppers, duration)
        octave = self._octaves[cell]
        series = self._queue
        if series is None or not series.blocks_of(self.instance.table_number)[octave]:
            series = self._prepare_queue(octave)
            if series is None:
                return
        self.cells[series.head] += duration
        self.cells[series.blocks_of(self.instance.table_number)[octave] + cell] += 1

    def _prepare_queue(self, octave: int) -> Series | None:
        try:
            series = self.instance.series(schema.QUEUE_TIME, ())
            if series is None or not self.instance.add_block(series, octave):
                return None
        except (IndexFullError, OSError):
            self._dropped("budget")
            return None
        self._use_cells()
        self._queue = series
        return series
