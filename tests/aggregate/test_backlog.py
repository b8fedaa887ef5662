# SPDX-License-Identifier: Apache-2.0
"""The backlog: what waits for the index, whoever puts it there."""

from __future__ import annotations

import threading
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from wsgiapm.aggregate.backlog import Backlog


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5), st.integers(0, 9))), st.integers(1, 50))
def test_nothing_is_lost_and_nothing_doubled(entries, every):
    """What is taken is what was put in, however often it was taken and put back in between."""
    backlog: Backlog[str] = Backlog()
    for number, (key, cell, value) in enumerate(entries, 1):
        backlog.append(key, cell, (value, 1), number)
        if number % every == 0:
            backlog.put_back(backlog.take())
    taken = backlog.take()

    for key in "abc":
        mine = [(cell, value, number) for number, (k, cell, value) in enumerate(entries, 1) if k == key]
        if not mine:
            assert key not in taken
            continue
        assert taken[key].cells == Counter(cell for cell, _, _ in mine)
        assert taken[key].sums == (sum(value for _, value, _ in mine), len(mine))
        assert sorted(taken[key].rows) == [number for _, _, number in mine]
        assert taken[key].count == len(mine)
    assert len(backlog) == 0
    assert backlog.take() == {}


def test_memory_is_bounded_by_series_not_by_observations():
    """A hundred thousand observations of two series take the room of two."""
    backlog: Backlog[str] = Backlog()
    for number in range(100_000):
        backlog.append("ab"[number % 2], number % 10, (1,))

    assert len(backlog) < 2000
    assert sum(waiting.count for waiting in backlog.take().values()) == 100_000


def test_an_observation_without_a_row_has_none():
    """Row 0 is no row."""
    backlog: Backlog[str] = Backlog()
    backlog.append("a", 1, (1,))

    assert backlog.take()["a"].rows == []


def test_threads_may_put_in_and_take_out_at_once():
    """No lock is needed for that, and none is there to be held."""
    backlog: Backlog[int] = Backlog()
    taken: list[int] = []
    done = threading.Event()

    def put():
        for number in range(20_000):
            backlog.append(number % 5, 0, (1,))

    def take():
        while not done.is_set():
            waiting = backlog.take()
            taken.append(sum(one.count for one in waiting.values()))

    threads = [threading.Thread(target=put) for _ in range(3)]
    taker = threading.Thread(target=take)
    for thread in (taker, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    taker.join()
    taken.append(sum(one.count for one in backlog.take().values()))

    assert sum(taken) == 60_000
