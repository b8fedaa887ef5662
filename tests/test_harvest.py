# SPDX-License-Identifier: Apache-2.0
"""Harvesting: gauges in every worker, a leader among them, and a gate around all of it."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.aggregate.counting import (
    aborted,
    by_route,
    die,
    family,
    finish,
    fork,
    in_flight,
    record,
    recorder_at,
    run,
    started,
    wait,
)
from wsgiapm import harvest
from wsgiapm.aggregate import layout, schema
from wsgiapm.aggregate.adoption import needs_settling
from wsgiapm.aggregate.index_file import Identity
from wsgiapm.aggregate.instance import alone
from wsgiapm.aggregate.merge import merge
from wsgiapm.config import resolve
from wsgiapm.harvest import Harvester, pause_until_next
from wsgiapm.uploader import Outcome

SETTINGS = resolve({"endpoint": "", "harvest_interval": 0.05}).settings


def harvester_of(recorder):
    """The harvester of a worker, not started."""
    return Harvester(recorder.instance, SETTINGS, recorder)


def test_a_round_refreshes_the_gauges(recorder, shared):
    """Memory is what the process has, CPU time a sum that goes on."""
    record(recorder)
    harvester_of(recorder).run_round()
    snapshot = merge(shared)

    (memory,) = family(snapshot, schema.WORKER_MEMORY).values()
    assert 10**6 < memory < 10**10
    (cpu,) = family(snapshot, schema.WORKER_CPU_TIME).values()
    assert 0 < cpu <= time.process_time()
    assert recorder.cells[layout.LAST_HARVEST] > 0


def test_cpu_time_is_a_sum_over_all_owners(shared):
    """A worker that is recycled goes on where its predecessor ended."""

    def work():
        recorder = recorder_at(shared)
        harvester = harvester_of(recorder)
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass
        harvester.run_round()

    for _ in range(2):
        assert run(work) == 0

    assert sum(family(merge(shared), schema.WORKER_CPU_TIME).values()) >= 0.1


def test_a_round_counts_what_had_to_wait(recorder, shared):
    """Without a further request, too."""
    recorder.instance.index._log.lock = lambda: False
    record(recorder, "/waits")
    del recorder.instance.index._log.lock
    harvester_of(recorder).run_round()

    assert by_route(merge(shared)) == {"/waits": 1}


def test_the_leader_settles_what_died(recorder, shared):
    """Requests in flight return to zero although nobody adopts the segment."""
    assert run(lambda: (started(recorder_at(shared), "/slow"), die())) == -signal.SIGKILL
    harvester_of(recorder).run_round()

    assert not observe_left(shared)
    assert (in_flight(merge(shared)), aborted(merge(shared))) == (0, {"/slow": 1})


def observe_left(shared):
    """Whether anything of the dead process is still to be settled."""
    with open(f"{shared}/segment-1", "rb") as file:
        return needs_settling(memoryview(file.read(layout.CELLS_OFFSET)).cast("Q"))


def test_two_never_upload_at_once(shared):
    """Not even somebody who uploads once beside the leader: the older sums could arrive last, and be taken for a new start."""
    first, second = recorder_at(shared), recorder_at(shared)
    leader, other = harvester_of(first), harvester_of(second)

    assert leader.takes_turn()
    assert not other.takes_turn()
    leader.upload()
    assert other.takes_turn()
    for recorder in (first, second):
        recorder.instance.close()


def test_one_of_several_leads(shared):
    """Also of several in one process; who stops leading lets the next one lead."""
    first, second = recorder_at(shared), recorder_at(shared)
    leader, other = harvester_of(first), harvester_of(second)

    assert leader.leads()
    assert leader.leads()
    assert not other.leads()
    assert run(lambda: None if not harvester_of(recorder_at(shared)).leads() else 1 / 0) == 0
    leader._stop_leading()
    assert other.leads()
    assert not leader.leads()
    first.instance.close()
    second.instance.close()


def test_a_killed_leader_is_followed_by_another(shared):
    """Real processes with their threads: exactly one leads at any time, and SIGKILL of it makes another one lead."""
    keeper = recorder_at(shared)
    directory = keeper.instance.directory
    assert directory is not None

    def work():
        harvester_of(recorder_at(shared)).start()
        time.sleep(60)

    pids = {fork(work) for _ in range(3)}
    leaders = []
    while pids:
        end = time.monotonic() + 20
        while (leader := directory.holder(layout.LEADER_LOCK)) not in pids:
            assert time.monotonic() < end, f"nobody leads, of {pids}"
            time.sleep(0.01)
        leaders.append(leader)
        os.kill(leader, signal.SIGKILL)
        wait(leader)
        pids.remove(leader)

    assert len(set(leaders)) == 3
    keeper.instance.close()


def test_a_thread_that_is_stopped_leads_no_more(recorder):
    """A process that goes on without its agent does not keep others from leading."""
    harvester = harvester_of(recorder)
    harvester.start()
    directory = recorder.instance.directory
    until(lambda: directory.is_locked(layout.LEADER_LOCK), "it leads")
    harvester.stop()
    until(lambda: not directory.is_locked(layout.LEADER_LOCK), "nobody leads")


def until(condition, what):
    """Wait for something."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.005)


def test_an_error_ends_a_round_and_not_the_thread(recorder, capfd):
    """It is said once, and the next round is tried all the same."""
    rounds = []

    class Broken:
        def work_off(self):
            rounds.append(1)
            raise ZeroDivisionError

    harvester = Harvester(recorder.instance, SETTINGS, Broken())
    harvester.start()
    until(lambda: len(rounds) > 3, "four rounds")
    harvester.stop()
    said = capfd.readouterr().err

    assert said.count("writing the gauges failed, please report it: ZeroDivisionError()") == 1


class FakeUploader:
    """Takes what it is given."""

    def __init__(self):
        self.sent = []
        self.kinds = iter(["retry", "delivered", "delivered"])

    def ready(self):
        return True

    def send(self, path, body):
        self.sent.append((path, len(body) > 100))
        return Outcome(next(self.kinds), "", None)


def test_the_leader_uploads_the_merged_counters(recorder, monkeypatch):
    """What the server did not take is sent again with the next round: sums heal."""
    fake = FakeUploader()
    monkeypatch.setattr(harvest, "make_uploader", lambda settings: fake)
    record(recorder)
    harvester = harvester_of(recorder)

    assert [harvester.run_once() for _ in range(3)] == [False, True, True]
    assert fake.sent == [("/v1/metrics", True)] * 3


def test_without_an_endpoint_nothing_is_uploaded(recorder):
    """Recording and leading go on."""
    assert not harvester_of(recorder).run_once()
    assert harvest.make_uploader(SETTINGS) is None


def test_a_process_on_its_own_is_its_own_leader():
    """Without a shared directory there is nobody else."""
    instance = alone(Identity("shop"))
    assert Harvester(instance, SETTINGS, None).leads()
    instance.close()


def test_a_process_that_closed_all_descriptors_gets_its_locks_back(shared):
    """The next round takes segment and leadership again, or gives leadership up to who has it by now."""

    def work():
        recorder = recorder_at(shared)
        harvester = harvester_of(recorder)
        harvester.run_round()
        os.closerange(3, 1000)
        directory = recorder.instance.directory
        harvester.run_round()
        assert run(lambda: None if directory.holder(layout.SEGMENT_LOCKS) else 1 / 0) == 0
        assert harvester._leading
        os.closerange(3, 1000)
        reading, writing = os.pipe()

        def usurp():
            assert harvester_of(recorder_at(shared)).leads()
            os.write(writing, b"x")
            time.sleep(60)

        pid = fork(usurp)
        os.read(reading, 1)
        harvester.run_round()
        assert not harvester._leading
        os.kill(pid, signal.SIGKILL)
        wait(pid)
        transaction = started(recorder, "/after")
        finish(recorder, transaction)

    assert run(work) == 0
    assert by_route(merge(shared)) == {"/after": 1}


@pytest.mark.parametrize(
    ("interval", "now"), [(10, 0.0), (10, 4.9), (10, 5.0), (10, 5.1), (10, 9.99), (0.05, 123.456), (60, 29.0)]
)
def test_rounds_are_in_the_middle_of_the_intervals(interval, now):
    """The next round is at most about one interval away, and half-way between two multiples of it."""
    pause = pause_until_next(interval, now)

    assert interval / 10 < pause <= interval * 1.1 + 1e-9
    assert (now + pause) % interval == pytest.approx(interval / 2)
