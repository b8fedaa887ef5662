# SPDX-License-Identifier: Apache-2.0
"""The index as a file of the shared directory: making it, joining it, and its records as a `Log`."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from contextlib import suppress
from zlib import crc32

from wsgiapm import clock
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.budget import Budget
from wsgiapm.aggregate.catalogue import Catalogue
from wsgiapm.aggregate.directory import SharedDirectory
from wsgiapm.aggregate.shared_file import SharedFile
from wsgiapm.aggregate.survivors import find_indexes
from wsgiapm.errors import SharedDirectoryError
from wsgiapm.named_tuple import NamedTuple

_NAME = layout.INDEX_NAME
_NEW = "index.new"
_NO_RECORD = bytes(layout.RECORD.size)
# Examples of what went to `(other)` find room also when there is none for anything else.
_KEPT_FREE = 4096


class Identity(NamedTuple):
    """Who counts in a directory; all processes that share it agree on this."""

    app: str
    environment: str = ""
    instance: str = ""


class IndexHeader(NamedTuple):
    """What the first page of the index says.

    `created` is wall time in nanoseconds, `epoch` 16 random bytes, `limit` the budget of who founded it (0: not said).
    """

    epoch: bytes
    created: int
    identity: Identity
    limit: int = 0


class IndexFile:
    """The open index of a shared directory: a `Log` for `Index`."""

    def __init__(self, directory: SharedDirectory, file: SharedFile, header: IndexHeader) -> None:
        """Use `open_index` or `create_index`."""
        self._directory = directory
        self._file = file
        self.header = header
        self.budget: Budget | None = None

    def lock(self) -> bool:
        """See `Log`."""
        try:
            locked = self._directory.try_lock(layout.INDEX_LOCK)
        except (FileNotFoundError, SharedDirectoryError):  # removed, or no file any more: nothing can be added now
            return False
        # Nobody would see what is added to a file that was exchanged: others would give the same cells another meaning.
        return locked and self._file.in_place()

    def unlock(self) -> None:
        """See `Log`."""
        with suppress(FileNotFoundError, SharedDirectoryError):
            self._directory.unlock(layout.INDEX_LOCK)

    def in_place(self) -> bool:
        """See `Log`."""
        return self._file.in_place()

    def read(self, offset: int) -> bytes:
        """See `Log`. Where the file is shorter than it says, zeros follow, which are no record."""
        word = self._file.read(layout.WORD, layout.COMMITTED_OFFSET)
        if len(word) < layout.WORD:
            return _NO_RECORD
        (committed,) = layout.U64.unpack(word)
        if committed == offset:
            return b""
        size = min(committed, self._file.size - layout.PAGE) - offset
        data = self._file.read(size, layout.PAGE + offset) if size > 0 else b""
        return data if len(data) == committed - offset else data + _NO_RECORD

    def append(self, offset: int, records: bytes) -> None:
        """See `Log`. When it raises, nothing has been added."""
        if self.budget is not None:
            spare = 0 if records[layout.RECORD.size] == layout.EXAMPLE_RECORD else _KEPT_FREE
            missing = layout.PAGE + offset + len(records) + spare - self._file.size
            if missing > 0:
                self.budget.allocate_index(self._file, missing + -missing % layout.INDEX_STEP)
        self._file.write(records, layout.PAGE + offset)
        self._file.write(layout.U64.pack(offset + len(records)), layout.COMMITTED_OFFSET)

    def word(self, offset: int) -> int:
        """See `Log`."""
        data = self._file.read(layout.WORD, offset)
        return int.from_bytes(data, "little")

    def set_word(self, offset: int, value: int) -> None:
        """See `Log`."""
        self._file.write(layout.U64.pack(value), offset)

    def whole(self) -> bytes:
        """See `Log`."""
        return self._file.read(self._file.size, 0)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _checksum(page: bytes, identity: bytes) -> int:
    return crc32(identity, crc32(page[layout.CREATED_OFFSET : layout.CREATED_OFFSET + 24]))


def _parse(path: str, page: bytes) -> IndexHeader:
    if len(page) < layout.PAGE or page[:8] != layout.INDEX_MAGIC:
        msg = f"{path}/{_NAME} is not an index of wsgiapm, or is damaged; remove the directory {path}"
        raise SharedDirectoryError(msg)
    _, version, length, _, created, epoch, checksum = layout.INDEX_HEADER.unpack_from(page)
    if version != layout.VERSION:
        msg = (
            f"{path} was made by a wsgiapm with file format {version}, this one has {layout.VERSION}: "
            f"restart all processes of the app with one version, then remove {path}"
        )
        raise SharedDirectoryError(msg)
    identity = page[layout.IDENTITY_OFFSET : layout.IDENTITY_OFFSET + length]
    if _checksum(page, identity) != checksum:
        msg = f"the header of {path}/{_NAME} is damaged; remove the directory {path}"
        raise SharedDirectoryError(msg)
    return IndexHeader(epoch, created, Identity(**json.loads(identity)), _read_limit(page))


def _read_limit(page: bytes) -> int:
    checksum, limit = layout.LIMIT.unpack_from(page, layout.LIMIT_OFFSET)
    return int(limit) if crc32(layout.U64.pack(limit)) == checksum else 0


def open_index(directory: SharedDirectory) -> IndexFile:
    """Open the index of a directory.

    Raises FileNotFoundError when there is none yet, `SharedDirectoryError` when it cannot be read as one.
    """
    try:
        file = SharedFile(directory, _NAME)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        file = SharedFile(directory, _NAME, os.O_RDONLY)
    try:
        return IndexFile(directory, file, _parse(directory.path, file.read(layout.PAGE, 0)))
    except SharedDirectoryError:
        file.close()
        raise


def create_index(directory: SharedDirectory, identity: Identity, limit: int = 0) -> bool:
    """Make the index if it is missing; return False when another process is about to.

    As long as a process counts by one that was removed, that one is put back. `limit` is the budget in bytes of a new one.
    The file appears complete or not at all. Raises OSError when there is no room, `BusyError` when it is to be tried again.
    """
    return _fill_place(directory, lambda: _recover(directory, identity) or _make(identity, limit))


def put_back_index(directory: SharedDirectory, header: IndexHeader, own: bytes) -> bool:
    """Put back a removed index if it is still missing, as `create_index` does; `own` is what we have of it, perhaps nothing."""

    def find() -> bytes:
        content = _recover(directory, header.identity, header.epoch, own)
        if not content:
            raise OSError(
                errno.ESTALE, "the index was removed, and nobody has it any more; restart the app", directory.path
            )
        return content

    return _fill_place(directory, find)


def _fill_place(directory: SharedDirectory, make: Callable[[], bytes]) -> bool:
    if not directory.try_lock(layout.INDEX_LOCK):
        return False
    try:
        try:
            os.stat(_NAME, dir_fd=directory.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            _write_index(directory, make())
    finally:
        directory.unlock(layout.INDEX_LOCK)
    return True


def _recover(directory: SharedDirectory, identity: Identity, epoch: bytes = b"", own: bytes = b"") -> bytes:
    """Return what living processes of this identity count by, of this epoch or else of the latest; empty when none does."""
    # Of one epoch, each is the beginning of the longest: what has been removed is not added to.
    best, found = (0, 0), b""
    for content in [own, *find_indexes(directory)]:
        try:
            header = _parse(directory.path, content[: layout.PAGE])
        except SharedDirectoryError:
            continue
        size = _sound_bytes(content)
        fits = header.identity == identity and epoch in (b"", header.epoch)
        if fits and size >= 0 and (header.created, size) > best:
            best, found = (header.created, size), content
    if not found:
        return b""
    now = layout.U64.pack(clock.monotonic_ns())
    return found[: layout.RESTORED_OFFSET] + now + found[layout.RESTORED_OFFSET + layout.WORD :]


def _sound_bytes(content: bytes) -> int:
    """Return how many bytes of records an index has, -1 when they are damaged."""
    (committed,) = layout.U64.unpack_from(content, layout.COMMITTED_OFFSET)
    catalogue = Catalogue()
    catalogue.replay(content[layout.PAGE : layout.PAGE + committed])
    return -1 if catalogue.damaged or catalogue.offset < committed else int(committed)


def _make(identity: Identity, limit: int) -> bytes:
    """Return the only page of a new index."""
    text = json.dumps(identity._asdict()).encode()
    page = bytearray(layout.PAGE)
    start = layout.IDENTITY_OFFSET
    if start + len(text) > layout.SAID_OFFSET:
        msg = f"app_name, environment and instance_name are too long: {len(text)} bytes in all; shorten them"
        raise SharedDirectoryError(msg)
    page[start : start + len(text)] = text
    fields = [layout.INDEX_MAGIC, layout.VERSION, len(text), 0, clock.time_ns(), os.urandom(16), 0]
    layout.INDEX_HEADER.pack_into(page, 0, *fields)
    fields[-1] = _checksum(bytes(page), text)
    layout.INDEX_HEADER.pack_into(page, 0, *fields)
    layout.LIMIT.pack_into(page, layout.LIMIT_OFFSET, crc32(layout.U64.pack(limit)), limit)
    return bytes(page)


def _write_index(directory: SharedDirectory, content: bytes) -> None:
    """Make the index with this content, at once or not at all; the caller holds its lock. Raises OSError."""
    file = SharedFile(directory, _NEW, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        file.allocate(0, len(content))
        file.write(content, 0)
    finally:
        file.close()
    directory.rename(_NEW, _NAME)
