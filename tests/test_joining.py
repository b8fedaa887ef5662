# SPDX-License-Identifier: Apache-2.0
"""Joining: a process counts with the others, or on its own and says so, and then holds nothing of theirs."""

from __future__ import annotations

import errno

import pytest

from tests.aggregate.counting import aborted, die, fork, in_flight, recorder_at, started, wait
from wsgiapm import joining
from wsgiapm.aggregate import patience
from wsgiapm.aggregate.directory import open_directory, segment_is_live
from wsgiapm.aggregate.instance import BusyError, Instance
from wsgiapm.aggregate.merge import merge
from wsgiapm.aggregate.orphans import settle_orphans
from wsgiapm.config import resolve
from wsgiapm.joining import join_or_count_alone


@pytest.fixture
def settings(shared):
    """The settings of the app whose directory `shared` is."""
    return resolve({"shared_dir": str(shared), "app_name": "shop", "endpoint": ""}, environ={}).settings


def know_nothing(pid):
    """The exit status of no process is known."""
    del pid


def test_a_process_joins(shared, settings):
    """As a rule it counts where all others do."""
    instance = join_or_count_alone(settings, know_nothing)

    assert instance.directory is not None
    assert segment_is_live(open_directory(str(shared)), instance.segment.number)
    instance.close()


@pytest.mark.parametrize(
    "failure", [BusyError(), OSError(errno.ENOSPC, "no space left"), ValueError("of another format")]
)
def test_a_process_that_cannot_begin_lets_go(shared, settings, monkeypatch, capfd, failure):
    """It counts on its own, says so, and what an earlier owner of its segment left running is settled by the others."""
    announced = []
    monkeypatch.setattr(joining, "announce", announced.append)  # whose page would stay in this process
    monkeypatch.setattr(patience, "_PAUSE", 0)
    assert wait(fork(lambda: (started(recorder_at(str(shared)), "/import"), die()))) == -9
    begin = Instance.begin

    def fail(instance, *arguments):
        if instance.directory is None:
            return begin(instance, *arguments)
        raise failure

    monkeypatch.setattr(Instance, "begin", fail)
    alone = join_or_count_alone(settings, know_nothing)
    monkeypatch.undo()

    assert alone.directory is None
    assert [str(shared) in reason for reason in announced] == [True]
    assert "counts on its own" in capfd.readouterr().err
    assert not segment_is_live(open_directory(str(shared)), 0)
    other = recorder_at(str(shared)).instance
    settle_orphans(other)
    assert (aborted(merge(str(shared))), in_flight(merge(str(shared)))) == ({"/import": 1}, 0)
    other.close()
