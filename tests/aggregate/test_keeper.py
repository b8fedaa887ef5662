# SPDX-License-Identifier: Apache-2.0
"""What looking after the directory takes of a process, and what it must not give up, whenever the directory is removed."""

from __future__ import annotations

import os
import resource
import shutil
import signal
from pathlib import Path

import pytest

from tests.aggregate.counting import finished, fork, record, recorder_at, run, wait
from wsgiapm.aggregate.directory import open_directory, segment_is_live
from wsgiapm.aggregate.keeper import Keeper, Safe, keep_safe


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where the shared directory is."""
    return str(tmp_path / "shared")


def descriptors() -> int:
    """How many this process has open."""
    return len(os.listdir("/proc/self/fd"))


def test_removals_take_no_descriptors_for_good(path: str) -> None:
    """Logind removes the directory at each last logout, of a user's cron job too: a day has many."""
    recorder = recorder_at(path)
    keeper = Keeper(recorder.instance, 10.0)

    seen = []
    for _ in range(40):
        shutil.rmtree(path)
        assert keeper.check(leading=True)
        record(recorder)
        seen.append(descriptors())

    assert seen[-1] == seen[20]
    assert finished(path) == 40
    recorder.instance.close()


def test_who_writes_down_what_the_dead_left_keeps_its_own_segment(path: str) -> None:
    """On the way to a free number it comes by its own: without the lock on that, others would take it for dead."""
    recorder = recorder_at(path)
    ready = os.pipe()

    def work() -> None:
        record(recorder_at(path))
        os.write(ready[1], b"x")
        signal.pause()

    worker = fork(work)
    os.read(ready[0], 1)
    keeper = Keeper(recorder.instance, 10.0)
    shutil.rmtree(path)
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
    assert keeper.check(leading=True)

    def look() -> None:
        directory = open_directory(path)
        assert segment_is_live(directory, recorder.instance.segment.number)

    assert recorder.instance.segment.number == 0
    assert finished(path) == 1
    assert run(look) == 0
    recorder.instance.close()


def test_a_leader_takes_but_a_part_of_the_descriptors_there_may_be(path: str) -> None:
    """The app's connections need them; where there may be few, others keep the rest."""

    def work() -> None:
        os.closerange(3, 4096)  # whatever other tests have left open in this process
        resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160))
        leader, *_others = [recorder_at(path) for _ in range(20)]
        before, safe = descriptors(), Safe()
        keep_safe(safe, leader.instance, leading=True, restored=False)
        assert descriptors() - before == 10
        keep_safe(safe, leader.instance, leading=False, restored=False)
        assert descriptors() - before == 8

    assert wait(fork(work)) == 0


def test_a_forked_child_has_nothing_of_what_its_parent_keeps(path: str) -> None:
    """It would hold the memory of segments that are removed as long as it lives; the parent goes on keeping them."""
    leader, other = recorder_at(path), recorder_at(path)
    before, safe = descriptors(), Safe()
    keep_safe(safe, leader.instance, leading=True, restored=False)

    def look() -> None:
        assert descriptors() <= before  # less where other tests have kept something, too

    assert run(look) == 0
    assert descriptors() == before + 1
    safe.leave()
    for recorder in (leader, other):
        recorder.instance.close()
