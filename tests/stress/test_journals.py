# SPDX-License-Identifier: Apache-2.0
"""SIGKILL inside the journal's append and while it is being delivered: events are whole or absent, and none is lost."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from functools import partial
from random import Random

import pytest

from tests.aggregate.counting import die, fork, join_patiently, wait
from tests.stress.ledger import SCALE, Ledger, kill_after
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.instance import observe
from wsgiapm.aggregate.journal import Journal
from wsgiapm.aggregate.mailbox import note_delivered, read_mail

WRITERS = 3
KIND = layout.WORKER_DIED_EVENT


def payload(writer, number):
    """What an event says: who wrote it as its how many-th, and a text from which any tear can be seen."""
    head = b"%d %d " % (writer, number)
    return head + bytes(65 + (number + place) % 26 for place in range(number * 37 % 1500)) + b"."


def append_until_killed(shared, writer, account):
    """Append events, noting each before it is written and after it has been."""
    instance = join_patiently(shared)
    dropped = []
    journal = Journal(instance.directory, instance.segment.number, instance.header.epoch, dropped.append, 32 * 1024)
    while True:
        number = account.begin()
        journal.append(KIND, payload(writer, number))
        while dropped:
            dropped.clear()
            time.sleep(0.0005)  # it is full
            journal.append(KIND, payload(writer, number))
        account.end()


def deliver(shared, delivered):
    """Deliver what there is: to a file, each event in one write. Returns how many there were."""
    instance = observe(shared)
    assert instance.directory is not None
    mail = read_mail(instance.directory, instance.header.epoch)
    for event in mail.events:
        assert os.write(delivered, event.payload + b"\n") == len(event.payload) + 1
    note_delivered(instance.directory, mail)
    instance.close()
    return len(mail.events)


@pytest.mark.timeout(60 + 30 * SCALE)
def test_writers_and_leaders_killed_at_random_instants(shared, tmp_path):
    """All that a writer was told is written arrives, in order and whole; more than once only if a leader was killed."""
    chance = Random(5)
    kills, deliveries = 40 * SCALE, 0
    ledger = Ledger(WRITERS)
    accounts = [ledger.open() for _ in range(WRITERS)]
    out = os.open(tmp_path / "delivered", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    join_patiently(shared).close()

    def lead():
        while True:
            deliver(shared, out)

    writers = {
        number: fork(partial(append_until_killed, shared, number, accounts[number])) for number in range(WRITERS)
    }
    leader = fork(lead)
    for _ in range(kills):
        victim = chance.randrange(WRITERS + 1)
        if victim == WRITERS:
            kill_after(leader, chance.random() * 0.02)
            leader, deliveries = fork(lead), deliveries + 1
        else:
            kill_after(writers[victim], chance.random() * 0.02)
            # Its event may have been written without its having been told: the next one writes it once more.
            writers[victim] = fork(partial(append_until_killed, shared, victim, accounts[victim]))
    for pid in (leader, *writers.values()):
        kill_after(pid, 0)
    while deliver(shared, out):
        pass
    os.close(out)

    lines = (tmp_path / "delivered").read_bytes().splitlines()
    seen = Counter(tuple(map(int, line.split()[:2])) for line in lines)
    assert all(line == payload(*map(int, line.split()[:2])) for line in lines)
    for writer, account in enumerate(accounts):
        mine = sorted(number for who, number in seen if who == writer)
        assert mine == list(range(len(mine)))
        assert account.finished <= len(mine) <= account.begun
    assert ledger.finished > 10 * kills


class KillingFile:
    """A journal's file; the process dies before the write with this number, or in the middle of it."""

    def __init__(self, file, writes, torn):
        self._file = file
        self._left = writes
        self._torn = torn

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, data, offset):
        """Write, or die."""
        if self._left == 0:
            if self._torn and len(data) > layout.WORD:  # a word is written at once
                self._file.write(data[: len(data) // 2], offset)
            die()
        self._left -= 1
        self._file.write(data, offset)


@pytest.mark.parametrize("torn", [False, True], ids=["", "torn"])
def test_a_writer_killed_at_every_write(shared, torn):
    """Each write of some events that go round the end of the ring: those before it are there, the one in it whole or not."""
    join_patiently(shared).close()
    ledger = Ledger(100)

    def append(account, writes):
        instance = join_patiently(shared)
        journal = Journal(instance.directory, 0, instance.header.epoch, lambda reason: os._exit(3), 4096)
        journal._open()
        journal._file = KillingFile(journal._file, writes, torn)
        for _ in range(4):
            journal.append(KIND, payload(0, 5 + account.begin()))
            account.end()

    ends = Counter()
    for trial in range(40):
        writes = trial % 10
        account = ledger.open()
        status = wait(fork(partial(append, account, writes)))
        instance = observe(shared)
        mail = read_mail(instance.directory, instance.header.epoch)
        note_delivered(instance.directory, mail)
        instance.close()
        found = [event.payload for event in mail.events]
        assert found == [payload(0, 5 + number) for number in range(len(found))]
        assert account.finished <= len(found) <= account.begun
        ends[status, writes - 2 * account.finished] += 1
    # Two writes an event, and a third where the ring ends; with nine or ten writes nobody was killed.
    assert ends[-signal.SIGKILL, 2]
    assert {status for status, _ in ends} == {0, -signal.SIGKILL}
