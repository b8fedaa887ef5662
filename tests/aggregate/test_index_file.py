# SPDX-License-Identifier: Apache-2.0
"""The file of the index: who may join, and what is said to who may not."""

from __future__ import annotations

import os
import struct

import pytest

from tests.aggregate.counting import SHOP, finished, fork, join_patiently, record, recorder_at, run, wait
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.directory import create_directory
from wsgiapm.aggregate.index import Index
from wsgiapm.aggregate.index_file import Identity, create_index, open_index
from wsgiapm.aggregate.instance import BusyError, join, observe
from wsgiapm.errors import SharedDirectoryError


@pytest.fixture
def directory(shared):
    """A shared directory with an index."""
    directory = create_directory(shared)
    assert create_index(directory, SHOP)
    yield directory
    directory.close()


@pytest.fixture
def index_file(directory):
    """The open index of `directory`."""
    file = open_index(directory)
    yield file
    file.close()


def patch(shared, offset, data):
    """Overwrite bytes of the index."""
    with open(f"{shared}/index", "r+b") as file:
        file.seek(offset)
        file.write(data)


def test_the_header_says_who_counts_here_since_when(directory, index_file):
    """Identity, epoch and time of creation come back as they were written; each instance has an epoch of its own."""
    header = index_file.header

    assert header.identity == SHOP
    assert len(header.epoch) == 16
    assert any(header.epoch)
    assert header.created > 1_600_000_000 * 10**9


def test_an_index_is_made_once(directory, index_file):
    """Who comes second takes what is there."""
    assert create_index(directory, Identity("other"))
    again = open_index(directory)
    again.close()

    assert again.header == index_file.header


@pytest.mark.parametrize(
    ("offset", "data", "says"),
    [
        (0, b"something", "not an index of wsgiapm"),
        (8, struct.pack("<I", 7), "file format 7, this one has 1"),
        (12, struct.pack("<I", 3), "header of .* is damaged"),
        (12, struct.pack("<I", 2**32 - 1), "header of .* is damaged"),
        (30, b"\x55", "header of .* is damaged"),
        (40, b"\x55\xaa", "header of .* is damaged"),
        (layout.IDENTITY_OFFSET + 3, b"X", "header of .* is damaged"),
        (layout.COMMITTED_OFFSET, struct.pack("<Q", 2**60), "index is damaged"),
        (layout.COMMITTED_OFFSET, struct.pack("<Q", 2**64 - 1), "index is damaged"),
        (layout.PAGE + 12, b"\x55", "index is damaged"),
    ],
)
def test_a_damaged_index_is_named_with_what_to_do(shared, offset, data, says):
    """Nobody joins what cannot be read; the message says what was found, where, and what to do."""
    join_patiently(shared).close()
    patch(shared, offset, data)

    for attempt in (lambda: join(shared, SHOP), lambda: observe(shared)):
        with pytest.raises(SharedDirectoryError, match=says) as caught:
            attempt()
        assert shared in str(caught.value)
        assert "remove" in str(caught.value)


@pytest.mark.parametrize("size", [0, 1, 100, layout.PAGE - 1])
def test_a_truncated_header_is_damage(shared, size):
    """A file that is too short for a header is no index."""
    join_patiently(shared).close()
    os.truncate(f"{shared}/index", size)

    with pytest.raises(SharedDirectoryError, match="not an index"):
        join(shared, SHOP)


def test_an_index_truncated_at_any_length_is_damage(shared):
    """A file that ends before what it says is complete is not written to, wherever it ends."""
    join_patiently(shared).close()
    with open(f"{shared}/index", "rb") as file:
        whole = file.read()
    (complete,) = layout.U64.unpack_from(whole, layout.COMMITTED_OFFSET)
    for length in range(layout.PAGE, layout.PAGE + complete, 7):
        with open(f"{shared}/index", "wb") as file:
            file.write(whole[:length])
        with pytest.raises(SharedDirectoryError, match="damaged"):
            join(shared, SHOP)


@pytest.mark.parametrize(
    "theirs", [Identity("other"), Identity("shop", "staging"), Identity("shop", "", "second")], ids=str
)
def test_a_process_of_another_app_does_not_join(shared, theirs):
    """App, environment and instance have to be the same; the message names both sides."""
    join_patiently(shared).close()

    with pytest.raises(SharedDirectoryError, match="give one of them another shared_dir") as caught:
        join(shared, theirs)
    for name in (*theirs, "shop"):
        assert repr(name) in str(caught.value)


def test_an_identity_that_does_not_fit_is_refused(shared):
    """A name of several thousand bytes is an error that says so, and leaves nothing behind."""
    with pytest.raises(SharedDirectoryError, match=r"too long: .* shorten"):
        join(shared, Identity("x" * 5000))
    assert "index" not in os.listdir(shared)


def test_what_a_killed_writer_left_half_done_is_overwritten(directory, index_file, shared):
    """Bytes behind the complete records are not seen, and the next record takes their place."""
    index = Index(index_file, lambda _: True)
    index.add_name("/first")
    patch(shared, layout.PAGE + index.offset, b"half a record" * 20)
    index.add_name("/second")
    other = open_index(directory)

    assert Index(other, lambda _: True).names == ["/first", "/second"]
    other.close()


def test_a_short_write_adds_nothing(directory, index_file):
    """An append that fails in the middle raises OSError; no reader sees any of it."""
    index = Index(index_file, lambda _: True)
    index.add_name("/first")
    flag = index_file._file.write

    def write(data, offset):
        flag(data[:5], offset)
        raise OSError(28, "no space left")

    index_file._file.write = write
    with pytest.raises(OSError, match="no space"):
        index.add_name("/second")
    index_file._file.write = flag
    assert index.add_name("/third") == 1

    assert Index(index_file, lambda _: True).names == ["/first", "/third"]


def test_another_process_that_writes_is_not_waited_for(shared):
    """While one process holds the index, another one's addition returns at once; afterwards it works."""
    recorder = recorder_at(shared)
    index = recorder.instance.index
    reading, writing = os.pipe()
    go_on, stop = os.pipe()

    def hold():
        other = join_patiently(shared)
        assert other.directory is not None
        assert other.directory.try_lock(layout.INDEX_LOCK)
        os.write(writing, b"x")
        os.read(go_on, 1)

    pid = fork(hold)
    os.read(reading, 1)
    assert index.add_name("/new") is None
    with pytest.raises(BusyError):
        recorder.instance.begin(123456789)
    os.write(stop, b"x")
    assert wait(pid) == 0
    assert index.add_name("/new") is not None
    for descriptor in (reading, writing, go_on, stop):
        os.close(descriptor)
    recorder.instance.close()


def test_two_processes_found_an_instance_once(shared):
    """Whoever is first founds it; both count in the same instance."""
    assert run(lambda: record(recorder_at(shared))) == 0
    assert run(lambda: record(recorder_at(shared))) == 0
    assert finished(shared) == 2
    assert os.listdir(shared).count("segment-1") == 0


def test_an_empty_directory_cannot_be_observed(shared):
    """A reader says that nothing is there yet, and leaves it so."""
    os.mkdir(shared, 0o700)

    with pytest.raises(SharedDirectoryError, match="holds no counters of wsgiapm yet; start the app"):
        observe(shared)
    assert os.listdir(shared) == []
