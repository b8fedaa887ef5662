# SPDX-License-Identifier: Apache-2.0
"""The journal: a ring of events that survives its process, and never costs it anything but an event."""

from __future__ import annotations

import os
import signal
import threading
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.aggregate.counting import die, dropped, fork, join_patiently, run, wait
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.directory import create_directory
from wsgiapm.aggregate.journal import Journal, consume, read_events
from wsgiapm.aggregate.merge import merge
from wsgiapm.errors import SharedDirectoryError

EPOCH = bytes(range(16))


class Writer:
    """A journal, what it dropped, and a look into it."""

    def __init__(self, directory, capacity=1024, epoch=EPOCH):
        self.directory = directory
        self.epoch = epoch
        self.dropped: list[str] = []
        self.journal = Journal(directory, 3, epoch, self.dropped.append, capacity)

    def append(self, *payloads):
        """Append events."""
        for payload in payloads:
            self.journal.append(7, payload)

    def unread(self):
        """What a leader would deliver."""
        return read_events(self.directory, 3, self.epoch)

    def payloads(self):
        """The payloads of that."""
        unread = self.unread()
        assert not unread.damaged
        return [event.payload for event in unread.events]

    def consume(self):
        """Deliver everything."""
        consume(self.directory, 3, self.unread().end)


@pytest.fixture
def directory(shared):
    """A shared directory."""
    directory = create_directory(shared)
    yield directory
    directory.close()


@pytest.fixture
def writer(directory):
    """A small journal."""
    writer = Writer(directory)
    yield writer
    writer.journal.close()


def test_a_file_is_made_at_the_first_event(directory, writer):
    """A process without events has no journal."""
    assert os.listdir(directory.path) == []
    with pytest.raises(FileNotFoundError):
        writer.unread()
    writer.append(b"first")

    assert os.listdir(directory.path) == ["journal-3"]
    (event,) = writer.unread().events
    assert (event.kind, event.payload) == (7, b"first")
    assert event.time > 1_600_000_000 * 10**9


def test_reading_does_not_consume(writer):
    """Events stay until they are delivered; a leader that dies in between loses none."""
    writer.append(b"a", b"b")
    assert writer.payloads() == writer.payloads() == [b"a", b"b"]
    end = writer.unread().end
    writer.append(b"c")
    consume(writer.directory, 3, end)

    assert writer.payloads() == [b"c"]


payloads = st.lists(st.binary(max_size=120) | st.sampled_from([b"x" * 488, b"y" * 200]), max_size=60)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(payloads, st.integers(1, 8))
def test_events_come_out_as_they_went_in(tmp_path_factory, events, every):
    """Over many rounds of the ring, whatever their lengths: in order, whole, each once; what had no room is counted."""
    directory = create_directory(str(tmp_path_factory.mktemp("dir") / "shop"))
    writer = Writer(directory)
    out, kept = [], []
    for number, payload in enumerate(events, 1):
        before = len(writer.dropped)
        writer.append(payload)
        if len(writer.dropped) == before:
            kept.append(payload)
        if number % every == 0 and kept:
            out += writer.payloads()
            writer.consume()
    if kept:
        out += writer.payloads()
        assert os.stat(f"{directory.path}/journal-3").st_size <= layout.PAGE + 1024

    assert out == kept
    assert set(writer.dropped) <= {"full"}
    assert len(kept) + len(writer.dropped) == len(events)
    writer.journal.close()
    directory.close()


def test_a_full_ring_drops_the_new_event(writer):
    """What has not been delivered is never overwritten; once there is room again events are taken again."""
    for number in range(100):
        writer.append(b"%03d" % number)
    kept = writer.payloads()

    assert kept == [b"%03d" % number for number in range(len(kept))]
    assert len(kept) == 1024 // 32
    assert writer.dropped == ["full"] * (100 - len(kept))
    writer.consume()
    writer.append(b"again")
    assert writer.payloads() == [b"again"]


def test_an_event_beyond_the_ring_is_dropped(writer):
    """It would never fit."""
    writer.append(b"x" * 2000, b"after")

    assert writer.dropped == ["full"]
    assert writer.payloads() == [b"after"]


def test_a_torn_event_is_not_seen(directory, writer):
    """Of a writer that died before the word was raised nothing is visible, and the next one overwrites it."""
    writer.append(b"whole")
    file = writer.journal._file
    assert file is not None
    write = file.write
    for writes in range(1):
        left = iter(range(writes))

        def stop(data, offset, left=left):
            write(data[:10], offset)
            raise OSError(5, "died here")

        file.write = stop
        writer.append(b"torn torn torn torn torn")
        file.write = write
    assert writer.payloads() == [b"whole"]
    heir = Writer(directory)
    heir.append(b"next")

    assert heir.payloads() == [b"whole", b"next"]
    assert writer.dropped == ["no room"]
    heir.journal.close()


def test_an_heir_goes_on_where_the_dead_ended(directory):
    """Events of a killed process are there, and its successor's come behind them."""

    def work(name):
        writer = Writer(directory)
        writer.append(*(b"%s%d" % (name, number) for number in range(3)))
        die()

    assert run(lambda: work(b"a")) == -signal.SIGKILL
    assert run(lambda: work(b"b")) == -signal.SIGKILL

    assert Writer(directory).payloads() == [b"a0", b"a1", b"a2", b"b0", b"b1", b"b2"]


@pytest.mark.parametrize(
    ("offset", "data"),
    [
        (0, b"nonsense"),
        (8, b"\x09"),
        (16, b"other epoch"),
        (32, b"\x08"),
        (40, bytes(8)),
        (64, b"\xff" * 8),
        (72, b"\xff" * 8),
    ],
)
def test_what_is_no_journal_of_ours_is_begun_anew(directory, writer, offset, data):
    """A reader says it is damaged; the next owner makes a new one of it."""
    writer.append(b"before")
    with open(f"{directory.path}/journal-3", "r+b") as file:
        file.seek(offset)
        file.write(data)
    assert writer.unread() == ([], 0, True)
    heir = Writer(directory)
    heir.append(b"after")

    assert heir.payloads() == [b"after"]
    heir.journal.close()


def test_damage_in_the_ring_costs_what_is_behind_it(directory, writer):
    """Events before the damage are delivered, and consuming goes on behind all of it."""
    writer.append(b"one", b"two", b"three")
    with open(f"{directory.path}/journal-3", "r+b") as file:
        file.seek(layout.PAGE + 32 + 25)
        file.write(b"X")
    unread = writer.unread()
    assert ([event.payload for event in unread.events], unread.damaged) == ([b"one"], True)
    consume(directory, 3, unread.end)
    writer.append(b"four")

    assert writer.payloads() == [b"four"]


def test_no_room_costs_the_event(tiny):
    """A full file system drops and counts; nobody dies of SIGBUS, and when there is room it works again."""
    place = tiny(128 * 1024)
    directory = create_directory(f"{place}/shop")
    writer = Writer(directory, 256 * 1024)
    writer.append(b"first")
    with open(f"{place}/filler", "wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(4096))
        except OSError:
            pass
    writer.append(*[b"x" * 5000] * 5)
    assert writer.dropped == ["no room"] * 5
    os.unlink(f"{place}/filler")
    writer.append(b"last")

    assert writer.payloads() == [b"first", b"last"]
    writer.journal.close()
    directory.close()


def test_a_strangers_file_costs_the_event(directory, writer):
    """A named pipe in its place is not written to."""
    os.mkfifo(f"{directory.path}/journal-3")
    writer.append(b"x")

    assert writer.dropped == ["no room"]
    with pytest.raises(SharedDirectoryError):
        writer.unread()


def test_threads_never_wait_for_each_other(writer):
    """While one writes, another one's event is kept and written by it afterwards, in order."""
    write = writer.journal._write
    nested = iter([b"inner1", b"inner2"])

    def write_and_be_interrupted(event):
        payload = next(nested, None)
        if payload is not None:
            writer.append(payload)
        return write(event)

    writer.journal._write = write_and_be_interrupted
    writer.append(b"outer")

    assert writer.payloads() == [b"outer", b"inner1", b"inner2"]


def test_what_is_kept_for_later_is_bounded(writer):
    """When nobody can write for long, events beyond a few hundred are dropped and counted."""
    with writer.journal._turn.taken():
        writer.append(*[b"x"] * 300)

    assert writer.dropped == ["busy"] * (300 - 256)
    writer.journal.flush()
    assert len(writer.payloads()) == 32


def test_many_threads_lose_nothing(directory):
    """All their events arrive whole."""
    writer = Writer(directory, 256 * 1024)
    threads = [
        threading.Thread(target=lambda n=n: writer.append(*(b"%d-%d" % (n, i) for i in range(200)))) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.journal.flush()

    assert len(writer.payloads()) + len(writer.dropped) == 800
    assert len(set(writer.payloads())) == len(writer.payloads())
    writer.journal.close()


def test_sigkill_at_random_instants_tears_nothing(directory):
    """A writer killed anywhere leaves whole events in order; all that it said were written are there."""
    delivered: list[bytes] = []
    told = 0
    for trial in range(15):
        reading, writing = os.pipe()

        def work(writing=writing, trial=trial):
            writer = Writer(directory, 64 * 1024)
            for number in count():
                writer.append(b"%d %d " % (trial, number) + b"x" * (number % 90))
                if writer.dropped:
                    os._exit(3)
                os.write(writing, b"w")

        pid = fork(work)
        os.close(writing)
        seen = 0
        while seen < 20 * (trial + 1):
            seen += len(os.read(reading, 50))
        os.kill(pid, signal.SIGKILL)
        assert wait(pid) in (-signal.SIGKILL, 3)
        while more := os.read(reading, 65536):
            seen += len(more)
        os.close(reading)
        told += seen
        reader = Writer(directory)
        mine = reader.payloads()
        reader.consume()
        numbers = [int(payload.split()[1]) for payload in mine]
        assert numbers == list(range(len(mine)))
        assert {payload.split()[0] for payload in mine} == {b"%d" % trial}
        assert seen <= len(mine) <= seen + 1
        delivered += mine
    assert told <= len(delivered) <= told + 15


def test_what_an_instance_drops_is_counted(shared):
    """Dropped events are in the metrics, by reason."""
    instance = join_patiently(shared)
    assert instance.journal is not None
    for _ in range(3):
        instance.journal.append(1, b"x" * 10**6)

    assert dropped(merge(shared)) == {"full": 3}
    instance.close()
