# SPDX-License-Identifier: Apache-2.0
"""The pace of long computations beside an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsgiapm import pace

if TYPE_CHECKING:
    import pytest


def test_nothing_is_lost_or_moved_at_any_pace():
    """Both ways give the same items in the same order."""
    assert list(pace.at_once(range(1000))) == list(pace.GivingWay()(range(1000))) == list(range(1000))


def test_other_threads_get_their_turn_every_half_millisecond(monkeypatch: pytest.MonkeyPatch):
    """However long an item takes, after half a millisecond of work in all the others run."""
    now = 0
    pauses: list[int] = []
    monkeypatch.setattr(pace.clock, "monotonic_ns", lambda: now)
    monkeypatch.setattr(pace.native, "sleep", lambda _seconds: pauses.append(now))

    for _item in pace.GivingWay()(range(20)):
        now += 100_000

    assert pauses == [600_000, 1_200_000, 1_800_000]


def test_the_time_that_several_loops_take_adds_up(monkeypatch: pytest.MonkeyPatch):
    """Many short loops in a row are as long as one."""
    now = 0
    pauses: list[int] = []
    monkeypatch.setattr(pace.clock, "monotonic_ns", lambda: now)
    monkeypatch.setattr(pace.native, "sleep", lambda _seconds: pauses.append(now))

    giving_way = pace.GivingWay()
    for _loop in range(10):
        for _item in giving_way(range(2)):
            now += 100_000

    assert pauses == [600_000, 1_200_000, 1_800_000]


def test_parts_are_everything_in_order():
    """Whatever is gone through by the hundred is gone through whole, with a chance to give way before each part."""
    looked = []

    def watched(items):
        for item in items:
            looked.append(item)
            yield item

    parts = list(pace.in_parts(list(range(1300)), watched))

    assert [item for part in parts for item in part] == list(range(1300))
    assert len(looked) == len(parts) > 1
    assert list(pace.in_parts([], pace.at_once)) == []
