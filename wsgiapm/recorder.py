# SPDX-License-Identifier: Apache-2.0
"""The recorder: from a transaction to its cells. The only code that runs for every request besides the middleware.

Nothing here does I/O, waits for a lock or raises into the app's request on purpose; a series seen for the first time
takes the slow way through the shared index.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable

from wsgiapm import route
from wsgiapm.aggregate import schema
from wsgiapm.aggregate.catalogue import EXAMPLES_AT_MOST, Series
from wsgiapm.aggregate.durations import Durations
from wsgiapm.aggregate.histogram import narrow
from wsgiapm.aggregate.in_flight import free_row
from wsgiapm.aggregate.index import IndexFullError
from wsgiapm.aggregate.instance import Instance
from wsgiapm.aggregate.layout import BEGUN, COUNTING, ENDED, ENDED_COUNTING, FAILED, ROWLESS, RUNNING
from wsgiapm.free_rows import FreeRows
from wsgiapm.labels import Labels
from wsgiapm.native import get_ident
from wsgiapm.operations import Operations
from wsgiapm.outcomes import Outcomes
from wsgiapm.parts import Parts
from wsgiapm.places import Places
from wsgiapm.transaction import Sums, Transaction

_LARGEST_BLOCK = 16
# Series of `(other)` routes are still told apart by method and status, up to this many above the cap.
_OTHER_SERIES = 200

# (name, status or None, method code and scheme, error type or None)
Key = tuple[str, int | None, int, str | None]
# (where the times are summed up, where the bytes are, where the blocks of cells are, the series)
Entry = tuple[int, int, list[int], Series]


class Recorder:
    """Counts the transactions of this process in its segment."""

    def __init__(self, instance: Instance, *, max_series: int, error_status: Iterable[tuple[int, int]]) -> None:
        """`max_series` is the number of series after which new routes become `(other)`."""
        self.instance = instance
        self._max_series = max_series
        self._labels, self._parts = Labels(error_status), Parts(instance)
        self._octaves, self._narrow = instance.table.octaves, narrow(instance.table.uppers)
        self._entries: dict[Key, Entry] = {}
        self._folded: dict[Key, Entry] = {}
        self._places = Places(instance.index, 2 * max_series)
        self._paths = self._places.of_paths
        self._waiting: list[tuple[Key, int, Sums, int]] = []
        self._queue = Durations(instance, schema.QUEUE_TIME, ())
        self.outcomes, self.operations = Outcomes(instance, max_series), Operations(instance, max_series)
        self._rows = FreeRows(instance)
        self._free, self._freed = self._rows.at_hand, self._rows.freed
        self._use_cells()
        instance.moved = self._use_cells

    def _use_cells(self) -> None:
        self.cells = self.instance.segment.cells
        self._end = len(self.cells) - _LARGEST_BLOCK

    def begin(self, transaction: Transaction, path: str) -> None:
        """Enter a transaction among those in flight. `path` is SCRIPT_NAME and PATH_INFO as in the environ."""
        try:
            transaction.place = place = self._paths[transaction.method][path]
        except KeyError:
            transaction.place = place = self._places.learn(transaction.method, path)
        if transaction.given_name is not None:
            transaction.place = place = self._places.of_name(transaction.given_name, transaction.method)
        transaction.recorder = self
        cells = self.cells
        try:
            transaction.row = row = self._free.pop()
        except IndexError:
            transaction.row = row = self._rows.find()
            self._free, self._freed, cells = self._rows.at_hand, self._rows.freed, self.cells
            if not row:
                cells[ROWLESS] += 1
                cells[BEGUN] += 1
                return
        cells[BEGUN] += 1  # before its row: whoever settles never finds a row too many that was not begun
        cells[row + 1] = place[1]
        cells[row + 2] = get_ident()
        cells[row] = transaction.start

    def finish(self, transaction: Transaction, end: int) -> None:
        """Count a transaction that ended at `end` (monotonic nanoseconds)."""
        _, _, counting, bodiless, entries = transaction.place
        if bodiless:
            transaction.size = 0
        duration = end - transaction.start
        first, uppers = self._narrow[duration.bit_length()]
        cell = first + bisect_left(uppers, duration)
        try:
            times, sizes, blocks, _ = entries[transaction.status]
        except KeyError:
            self._finish_slowly(cell, duration, transaction)
            return
        block = blocks[self._octaves[cell]]
        position = block + cell
        if not block or transaction.error is not None or position > self._end:
            self._finish_slowly(cell, duration, transaction)
            return
        if transaction.breakdown is not None:
            self._finish_with_parts(entries[transaction.status], cell, duration, transaction)
            return
        cells = self.cells
        row = transaction.row
        if row:
            cells[row + 1] = counting
        first_byte = transaction.first_byte
        if first_byte:
            cells[times] += first_byte
            cells[times + 1] += duration - first_byte
        else:  # it was given to the server with the last one
            cells[times] += duration
        cells[sizes] += transaction.size
        cells[position] += 1
        if row:
            cells[row] = 0
            self._freed.append(row)
        else:
            cells[ROWLESS] -= 1
        if transaction.queue:
            self._queue.record(transaction.queue)

    def look_after(self, step: Callable[[], None]) -> None:
        """See `FreeRows`."""
        self._rows.look_after(step)
        self._freed = self._rows.freed

    def rescue(self, transaction: Transaction, end: int) -> None:
        """Count a transaction whose `finish` was broken off, under `(other)`, unless it has been counted; free its row."""
        cells, row = self.cells, transaction.row
        if row and (cells[row] != transaction.start or cells[row + 1] & 0xF not in (RUNNING, COUNTING)):
            return
        duration = max(end - transaction.start, 0)
        sums = (duration, 0, 0 if transaction.place[3] else transaction.size)
        try:
            self._add(self._other(self._key(transaction)), bisect_left(self.instance.table.uppers, duration), sums)
        finally:
            self._free_row(transaction)

    def forget(self, transaction: Transaction) -> None:
        """End a transaction that is to be ignored."""
        self.cells[BEGUN] -= 1
        self._free_row(transaction)

    def _free_row(self, transaction: Transaction) -> None:
        if transaction.row:
            self.cells[transaction.row] = 0
            self._freed.append(transaction.row)
        else:
            self.cells[ROWLESS] -= 1

    def _finish_with_parts(self, entry: Entry, cell: int, duration: int, transaction: Transaction) -> None:
        if entry[0] not in self._parts.heads:
            self._finish_slowly(cell, duration, transaction)
            return
        if transaction.row:
            self.cells[transaction.row + 1] = transaction.place[2]
        self._add(entry, cell, transaction.sums(duration))
        self._free_row(transaction)
        if transaction.queue:
            self._queue.record(transaction.queue)

    def _finish_slowly(self, cell: int, duration: int, transaction: Transaction) -> None:
        key, sums = self._key(transaction), transaction.sums(duration)
        if transaction.row:
            self.cells[transaction.row + 1] = transaction.place[2]
        if self._count(key, cell, sums):
            self._free_row(transaction)
            if transaction.error is None and key in self._entries:
                transaction.place[4][transaction.status] = self._entries[key]
            self.work_off()
        elif transaction.row and self._rows.suffice():
            self._wait(key, cell, sums, transaction)
        else:
            # Without a row it would be lost with this process.
            self._dropped("busy", key)
            self._add(self._other(key), cell, sums)
            self._free_row(transaction)
        if transaction.queue:
            self._queue.record(transaction.queue)

    def _key(self, transaction: Transaction) -> Key:
        is_unknown = transaction.given_name is None and transaction.status == 404
        name = schema.NOT_FOUND if is_unknown else transaction.place[0]
        return name, transaction.status, transaction.method, transaction.error

    def _wait(self, key: Key, cell: int, sums: Sums, transaction: Transaction) -> None:
        """Keep what cannot be counted now; in its row it survives us."""
        name, status, _, error = key
        cells, row = self.cells, transaction.row
        cells[row + 2] = sums[0] + sums[1]
        cells[row + 3] = ((status or 0) & 0xFFFF) | (FAILED if self._labels.error(status, error) else 0)
        cells[row + 1] = self._places.word(name) | transaction.method - RUNNING + ENDED
        self._waiting.append((key, cell, sums, row))

    def _count(self, key: Key, cell: int, sums: Sums) -> bool:
        """Count one observation; False when the index is busy."""
        reason = ""
        try:
            entry = self._entries.get(key)
            if entry is None:
                found = self._find(key)
                if found is None:
                    return False
                entry, reason = found
            series = entry[3]
            if not self.instance.add_block(series, self._octaves[cell]) or not self._parts.prepare(series, sums):
                return False
        except (IndexFullError, OSError):
            entry, reason = self._other(key), "budget"
        self._use_cells()
        self._add(entry, cell, sums)
        if reason:
            self._dropped(reason, key)
        return True

    def _add(self, entry: Entry, cell: int, sums: Sums) -> None:
        self._parts.add(entry[0], sums)
        self.cells[entry[2][self._octaves[cell]] + cell] += 1

    def work_off(self) -> None:
        """Count what had to wait for the index, as far as it is free now."""
        self.outcomes.work_off()
        self.operations.work_off()
        # Threads may do so at once. Whatever stops us between two steps, the row still says what is to be counted.
        waiting = self._waiting
        for _ in range(len(waiting)):
            try:
                key, cell, sums, row = waiting.pop()
            except IndexError:  # another thread took the last
                return
            ended = self.cells[row + 1]
            self.cells[row + 1] = ended - ENDED + ENDED_COUNTING
            if not self._count(key, cell, sums):
                self.cells[row + 1] = ended
                waiting.append((key, cell, sums, row))
                return
            free_row(self.cells, row)
            self._freed.append(row)

    def leave(self) -> None:
        """In the child of a fork: what is still running here is the parent's, and must not be counted twice."""
        self.instance.leave()
        self._use_cells()

    def _find(self, key: Key) -> tuple[Entry, str] | None:
        """Return where to count, and why not under the transaction's own name; None when the index is busy."""
        if key in self._folded:
            return self._folded[key], "max_series"
        name, status, method, error = key
        wanted = self._labels.series(name, status, method, error)
        known = self.instance.index.by_key.get(wanted)
        count = self.outcomes.count_series()
        reason = "max_series" if known is None and count >= self._max_series else ""
        if reason:
            wanted = self._labels.series(schema.OTHER, status, method, error)
            known = self.instance.index.by_key.get(wanted)
            if known is None and count >= self._max_series + _OTHER_SERIES:
                return self._other(key), reason
        if known is None:
            known = self.instance.series(*wanted)
        if known is None or not self.instance.cover(known.head + known.head_cells):
            return None
        entry = self._entry(known)
        self._use_cells()
        # Those without a series of their own are kept apart: each of their requests comes by here, and is told of.
        entries = self._folded if reason else self._entries
        if len(entries) < 2 * self._max_series:
            entries[key] = entry
        return entry, reason

    def _other(self, key: Key) -> Entry:
        return self._entry(self.instance.other(*self._labels.other(*key)))

    def _entry(self, series: Series) -> Entry:
        return series.head, series.head + 2, series.blocks_of(self.instance.table_number), series

    def _dropped(self, reason: str, key: Key) -> None:
        position, index = self.instance.dropped.get(reason), self.instance.index
        if position is not None:
            self.cells[position] += 1
            if len(index.examples) < EXAMPLES_AT_MOST:
                index.add_example(reason, route.shorten(key[0]))

    def rename(self, transaction: Transaction) -> None:
        """See `transaction.Recording`."""
        if transaction.given_name is not None:
            transaction.place = place = self._places.of_name(transaction.given_name, transaction.method)
            if transaction.row:
                self.cells[transaction.row + 1] = place[1]
