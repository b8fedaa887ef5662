# SPDX-License-Identifier: Apache-2.0
"""Processes that start after the directory, or its index, was removed under living ones, and before these put it back."""

from __future__ import annotations

import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.aggregate.counting import aborted, by_route, fork, record, recorder_at, wait
from tests.stress.worker import Worker, settings_of
from wsgiapm import last_harvest, native
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.budget import BusyError
from wsgiapm.aggregate.directory import open_directory
from wsgiapm.aggregate.index_file import Identity
from wsgiapm.aggregate.instance import Instance, join, observe
from wsgiapm.aggregate.merge import merge, take_snapshot
from wsgiapm.aggregate.resource import Resource
from wsgiapm.aggregate.survivors import find_indexes
from wsgiapm.config import resolve


def remove_directory(shared: str) -> None:
    """As logind does, or an administrator."""
    shutil.rmtree(shared)


def remove_index(shared: str) -> None:
    """Only the one file."""
    os.unlink(f"{shared}/index")


def remove_index_and_locks(shared: str) -> None:
    """Two files, the second of which says who is writing the first."""
    os.unlink(f"{shared}/index")
    os.unlink(f"{shared}/locks")


REMOVALS = pytest.mark.parametrize("remove", [remove_directory, remove_index])


class Crowd:
    """Workers of one app; each says how much it has served."""

    def __init__(self, shared: str, log: str) -> None:
        self.shared = shared
        self.log = log
        self.settings = settings_of(shared, log)
        self.workers: list[Worker] = []
        self.served: Counter[str] = Counter()

    def start(self, name: str) -> Worker:
        """One more."""
        worker = Worker(self.settings, name)
        self.workers.append(worker)
        return worker

    def start_some(self, name: str) -> list[Worker]:
        """Three more, that have served."""
        started = [self.start(f"{name}{number}") for number in range(3)]
        for worker in started:
            worker.serve(12)
        return started

    def end(self) -> None:
        """All end as they should."""
        while self.workers:
            self.let_go(self.workers[0])

    def let_go(self, worker: Worker, *, hooked: bool = True) -> None:
        """One ends, as gunicorn with our hooks or another server has it."""
        self.workers.remove(worker)
        worker.ask("part", hooked)
        assert worker.end() == 0
        self.served[worker.name] += worker.served

    @property
    def epoch(self) -> bytes:
        """That of the instance in the directory."""
        with open(f"{self.shared}/index", "rb") as file:
            return file.read(layout.PAGE)[32:48]

    def counted(self) -> Counter[str]:
        """Finished requests by worker, as merged."""
        found: Counter[str] = Counter()
        for route, number in by_route(merge(self.shared)).items():
            found[route.split("/")[1]] += number
        return found

    def complaints(self) -> list[str]:
        """The lines of the log that are errors."""
        with open(self.log, encoding="utf-8") as file:
            return [line for line in file if "[ERROR]" in line]


@pytest.fixture
def crowd(shared: Any, tmp_path: Any) -> Iterator[Crowd]:
    """An app."""
    crowd = Crowd(str(shared), str(tmp_path / "log"))
    yield crowd
    for worker in crowd.workers:
        os.kill(worker.pid, signal.SIGKILL)
        worker.end()


@REMOVALS
def test_a_newcomer_goes_on_with_the_survivors_instance(crowd: Crowd, remove: Callable[[str], None]) -> None:
    """It starts before any of them has noticed; the epoch stays, and all counts are in one sum."""
    survivors, epoch = crowd.start_some("old"), crowd.epoch

    remove(crowd.shared)
    newcomer = crowd.start("new")
    newcomer.serve(12)
    for survivor in survivors:
        survivor.serve(12)
    newcomer.serve(12)
    crowd.end()

    assert crowd.epoch == epoch
    assert crowd.counted() == crowd.served
    assert not crowd.complaints()


@REMOVALS
def test_survivors_that_end_at_once_have_counted(crowd: Crowd, remove: Callable[[str], None]) -> None:
    """As in a HUP: newcomers have begun, the old ones end without another round or request. Nothing is lost."""
    survivors, epoch = crowd.start_some("old"), crowd.epoch

    remove(crowd.shared)
    newcomers = [crowd.start(f"new{n}") for n in range(3)]
    newcomers[0].serve(12)
    for number, survivor in enumerate(survivors):
        crowd.let_go(survivor, hooked=bool(number % 2))
    for newcomer in newcomers:
        newcomer.serve(12)
    crowd.end()

    assert crowd.epoch == epoch
    assert crowd.counted() == crowd.served
    assert not crowd.complaints()


@REMOVALS
@pytest.mark.parametrize("rounds", [2, pytest.param(12, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_many_newcomers_at_once(crowd: Crowd, remove: Callable[[str], None], rounds: int) -> None:
    """Again and again removed, under some, with some starting, some ending: one instance, one sum."""
    epoch = b""
    for turn in range(rounds):
        started = [crowd.start(f"{turn}x{n}") for n in range(4)]
        for worker in started:
            os.write(worker._commands, b'["serve", 12]\n')
        for worker in started:
            worker.served += 12
            answer = os.read(worker._answers, 65536)
            assert b'"strange": [], "failures": 0' in answer
        epoch = epoch or crowd.epoch
        remove(crowd.shared)
        for worker in crowd.workers[:2] if turn else []:
            crowd.let_go(worker, hooked=bool(turn % 2))
    crowd.start("last").serve(1)
    crowd.end()

    assert crowd.epoch == epoch
    assert crowd.counted() == crowd.served
    assert not crowd.complaints()


@REMOVALS
@pytest.mark.parametrize("when", ["before", "after"])
def test_who_is_killed_around_the_removal_has_counted(crowd: Crowd, remove: Callable[[str], None], when: str) -> None:
    """Before it, and not adopted; or after it, and before it could put its counts back: the leader has both."""
    leader = crowd.start("leader")
    leader.serve(12)
    leader.ask("harvest")
    victim = crowd.start("victim")
    victim.serve(12)
    leader.ask("harvest")
    victim.serve(12)

    if when == "before":
        victim.die()
    remove(crowd.shared)
    newcomer = crowd.start("new")
    newcomer.serve(12)
    if when == "after":
        victim.die()
    crowd.workers.remove(victim)
    crowd.served["victim"] = victim.served
    leader.ask("harvest")
    newcomer.serve(12)
    crowd.end()

    assert crowd.counted() == crowd.served
    assert aborted(merge(crowd.shared)).total() == 1
    assert not crowd.complaints()


def test_who_harvests_from_outside_goes_on_where_it_was_put_back(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    """`wsgiapm harvest` outlives the removal, and reads what is there again."""
    worker = crowd.start("worker")
    worker.serve(5)
    seen: list[int] = []
    instances: list[Instance] = []
    steps = iter(
        [lambda: remove_directory(crowd.shared), lambda: None, lambda: worker.ask("harvest"), lambda: None, None]
    )

    class Reader:
        def __init__(self, instance: Instance, _settings: object) -> None:
            self._instance = instance
            instances.append(instance)

        def leads(self) -> bool:
            return self._instance.directory is not None and self._instance.directory.in_place()

        def run_once(self) -> None:
            seen.append(by_route(take_snapshot(self._instance, Resource())).total())

    def sleep(_seconds: float) -> None:
        step = next(steps)
        if step is None:
            raise KeyboardInterrupt
        step()

    monkeypatch.setattr(last_harvest, "Harvester", Reader)
    monkeypatch.setattr(native, "sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        last_harvest.run(crowd.shared, resolve({"app_name": "shop"}, environ={}).settings, once=False)
    monkeypatch.undo()

    assert seen == [5, 5, 5]
    assert len(instances) == 2
    instances[-1].close()
    crowd.end()


def test_nobody_left_means_a_new_beginning(crowd: Crowd) -> None:
    """Stop, remove, start: the sums begin at zero, under another epoch, also while somebody has the counters open to read."""
    crowd.start("old").serve(5)
    crowd.end()
    reader = observe(crowd.shared)
    remove_directory(crowd.shared)
    crowd.served.clear()

    crowd.start("new").serve(3)
    crowd.end()

    assert crowd.epoch != reader.header.epoch
    assert crowd.counted() == {"new": 3}
    reader.close()


def test_another_app_in_the_place_does_not_inherit(shared: Any) -> None:
    """Whose app it is stands in the index; that of another is not put back."""
    recorder = recorder_at(str(shared))
    remove_directory(str(shared))

    other = join(str(shared), Identity("other"))

    assert other.header.epoch != recorder.instance.header.epoch
    other.close()
    recorder.instance.close()


@pytest.mark.parametrize("remove", [remove_directory, remove_index, remove_index_and_locks])
def test_a_record_that_is_being_written_is_waited_for(shared: Any, remove: Callable[[str], None]) -> None:
    """Who had begun to write before the removal may still add something; a copy made meanwhile would be without it."""
    ready, go = os.pipe(), os.pipe()

    def write() -> None:
        recorder = recorder_at(str(shared))
        record(recorder, "/before")
        directory = recorder.instance.directory
        assert directory is not None
        assert directory.try_lock(layout.INDEX_LOCK)
        os.write(ready[1], b"x")
        os.read(go[0], 1)

    writer = fork(write)
    os.read(ready[0], 1)
    remove(str(shared))
    os.makedirs(shared, mode=0o700, exist_ok=True)
    directory = open_directory(str(shared))
    if remove is not remove_index:
        with pytest.raises(BusyError):
            find_indexes(directory)
    os.kill(writer, signal.SIGSTOP)
    with pytest.raises(BusyError):
        join(str(shared), Identity("shop"))
    os.kill(writer, signal.SIGCONT)
    os.write(go[1], b"x")
    assert wait(writer) == 0
    directory.close()
