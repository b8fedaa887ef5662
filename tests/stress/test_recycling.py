# SPDX-License-Identifier: Apache-2.0
"""Workers that come and go, 10,000 of them: nothing is lost, and nothing grows."""

from __future__ import annotations

import os
from functools import partial
from random import Random

import pytest

from tests.aggregate.counting import ERRORS, aborted, by_route, die, fork, in_flight, join_patiently, wait
from tests.stress.ledger import Ledger, run_all
from wsgiapm import log
from wsgiapm.aggregate.instance import observe
from wsgiapm.aggregate.journal import CAPACITY
from wsgiapm.aggregate.layout import PAGE
from wsgiapm.aggregate.mailbox import note_delivered, read_mail
from wsgiapm.aggregate.merge import merge
from wsgiapm.coroner import Coroner
from wsgiapm.profile.black_box import BlackBox
from wsgiapm.recorder import Recorder

LANES = 4
ROUTES = ("/cart", "/checkout", "/import")


def start(shared):
    """What a worker has when it starts: its segment, with the last words of who had it before, and a black box."""
    log.configure(os.devnull, "ERROR")
    instance = join_patiently(shared, call_witness=partial(Coroner, find_status=lambda pid: 9))
    assert instance.directory is not None
    BlackBox().install(instance.directory, instance.segment.number)
    return Recorder(instance, max_series=2000, error_status=ERRORS)


def serve(recorder, account):
    """One request of each route."""
    for number, route in enumerate(ROUTES):
        account.record(recorder, route, 1 << 20 + 4 * number, 200)
    while recorder._waiting:
        recorder.work_off()


def live(shared, account, dies):
    """The life of one worker: some requests, and perhaps one more in which it is killed."""
    recorder = start(shared)
    serve(recorder, account)
    if dies:
        account.record(recorder, ROUTES[0], 0, 0, hold=True)
        die()


def meet(shared, ledger):
    """As many workers as there will ever be at once, all alive at the same time."""
    reading, writing = os.pipe()
    arrived, arrive = os.pipe()

    def stay(account):
        os.close(writing)
        recorder = start(shared)
        os.write(arrive, b"x")
        os.read(reading, 1)
        serve(recorder, account)

    pids = [fork(partial(stay, ledger.open())) for _ in range(LANES)]
    for _ in pids:
        os.read(arrived, 1)
    os.close(writing)
    assert [wait(pid) for pid in pids] == [0] * LANES
    for descriptor in (reading, arrived, arrive):
        os.close(descriptor)


def run_lane(shared, account, seed, workers):
    """One worker after the other; one in twenty is killed in mid-request."""
    chance = Random(seed)
    for _ in range(workers):
        dies = chance.random() < 0.05
        assert wait(fork(partial(live, shared, account, dies))) == (-9 if dies else 0)


def sizes(shared):
    """The bytes of every file, but those of the journals, which grow up to their limit."""
    found = {entry.name: entry.stat().st_size for entry in os.scandir(shared)}
    for name in [name for name in found if name.startswith("journal-")]:
        assert found.pop(name) <= PAGE + CAPACITY
    return found


def deliver(shared):
    """What the leader does now and then: the last words are told, so that there is room for others."""
    instance = observe(shared)
    assert instance.directory is not None
    mail = read_mail(instance.directory, instance.header.epoch)
    note_delivered(instance.directory, mail)
    instance.close()
    return len(mail.events)


@pytest.mark.parametrize(
    "workers", [260, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(1800)], id="10000")]
)
def test_however_many_workers_come_and_go(shared, workers):
    """After all of them there are the files and bytes there were after 100, and every request and every death."""
    ledger = Ledger(2 * LANES)
    meet(shared, ledger)
    accounts = [ledger.open() for _ in range(LANES)]
    after, told, done = [], 0, LANES
    for stage in (100, *range(500, workers, 500), workers):
        each = max(stage - done, 0) // LANES
        run_all([partial(run_lane, shared, account, stage + lane, each) for lane, account in enumerate(accounts)])
        done += each * LANES
        told += deliver(shared)
        after.append(sizes(shared))
    killed = ledger.begun - ledger.finished
    snapshot = merge(shared)

    assert done == workers
    assert after == [after[0]] * len(after)
    assert len(after[0]) == 2 + 2 * LANES
    assert by_route(snapshot) == dict.fromkeys(ROUTES, workers)
    assert aborted(snapshot) == {ROUTES[0]: killed}
    assert workers / 40 < killed < workers / 10
    assert in_flight(snapshot) == 0
    # The last of each lane may still be untold; and an event is lost only when its teller is killed in the middle.
    assert killed - LANES <= told <= killed
