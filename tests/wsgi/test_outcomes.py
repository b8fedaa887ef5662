# SPDX-License-Identifier: Apache-2.0
"""Disconnects and streams are counted in the shared index, whose room and whose lock are not always to be had."""

from __future__ import annotations

import errno

import pytest

from wsgiapm.aggregate.index import IndexFullError
from wsgiapm.outcomes import Outcomes

SECOND = 1_000_000_000


@pytest.fixture
def outcomes(books):
    """What the recorder counts them with."""
    return books.recorder.outcomes


def test_disconnects_are_counted_by_route(outcomes, books):
    """Each route is one counter."""
    for route in ("/a", "/b", "/a"):
        outcomes.count_disconnect(route)

    assert books.disconnects == {"/a": 2, "/b": 1}


def test_streams_are_counted_by_route_and_kind(outcomes, books):
    """With how long they lasted, in buckets that go up to hours."""
    for route, kind, seconds in (("/a", "upgrade", 3), ("/a", "event-stream", 1), ("/a", "upgrade", 40_000)):
        outcomes.record_stream(route, kind, seconds * SECOND)

    assert books.streams == {("/a", "upgrade"): 2, ("/a", "event-stream"): 1}
    assert books.stream_seconds == 40_004


def test_without_a_free_series_the_route_is_other(books):
    """As for requests: what comes from outside cannot fill the memory. Routes that are known stay themselves."""
    outcomes = Outcomes(books.instance, max_series=len(books.instance.index.series) + 2)
    for number in range(5):
        outcomes.count_disconnect(f"/{number}")
        outcomes.record_stream(f"/{number}", "upgrade", SECOND)
    outcomes.count_disconnect("/0")
    outcomes.record_stream("/0", "upgrade", SECOND)

    assert books.disconnects == {"/0": 2, "(other)": 4}
    assert books.streams == {("/0", "upgrade"): 2, ("(other)", "upgrade"): 4}


def test_a_disconnect_waits_for_a_busy_index(outcomes, books, monkeypatch):
    """And is counted when the recorder works off what had to wait."""
    with monkeypatch.context() as busy:
        busy.setattr(books.instance.index, "add_series", lambda *_: None)
        outcomes.count_disconnect("/a")
        outcomes.count_disconnect("/a")
        assert books.disconnects == {}
    books.recorder.work_off()
    books.recorder.work_off()

    assert books.disconnects == {"/a": 2}


@pytest.mark.parametrize("error", [IndexFullError(), OSError(errno.ENOSPC, "full")], ids=["budget", "disk"])
def test_without_room_a_disconnect_is_left_out(error, outcomes, books, monkeypatch):
    """It is no request: nothing waits for room that will not come, and nothing is raised."""

    def fail(*_):
        raise error

    with monkeypatch.context() as full:
        full.setattr(books.instance.index, "add_series", fail)
        outcomes.count_disconnect("/a")
        outcomes.record_stream("/a", "upgrade", SECOND)
    outcomes.work_off()

    assert (books.disconnects, books.streams) == ({}, {})
