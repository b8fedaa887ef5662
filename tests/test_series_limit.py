# SPDX-License-Identifier: Apache-2.0
"""`(other)` is visible: how much went there and examples of what, in the index, in an event, and never with secrets."""

from __future__ import annotations

import json

import pytest

from tests.aggregate.counting import by_route, finish, join_patiently, record, recorder_at, started
from wsgiapm import clock
from wsgiapm.aggregate.catalogue import EXAMPLES_AT_MOST
from wsgiapm.aggregate.instance import observe
from wsgiapm.aggregate.merge import merge
from wsgiapm.aggregate.resource import Resource
from wsgiapm.event_delivery import deliver_events
from wsgiapm.series_limit import SeriesLimit
from wsgiapm.uploader import Outcome

HOUR = 3600 * 10**9


@pytest.fixture
def shared(tmp_path):
    """The path of a shared directory."""
    return str(tmp_path / "shop")


class Server:
    """Stands for an uploader: keeps what it is sent."""

    def __init__(self, kind="delivered"):
        self.kind = kind
        self.bodies: list[bytes] = []

    def send(self, path, body):
        """Take it, or not."""
        self.bodies.append(bytes(body))
        return Outcome(self.kind, "", None)


def overflow(path, routes=40, max_series=12):
    """A recorder that has met more routes than there is room for."""
    recorder = recorder_at(path, max_series=max_series)
    for number in range(routes):
        record(recorder, f"/{chr(97 + number % 26)}{chr(97 + number // 26)}")
    return recorder


def test_the_first_few_are_kept_for_everybody(shared):
    """As many as there may be, each once, seen by who comes later; those that have a series are not among them."""
    recorder = overflow(shared)
    other = join_patiently(shared)
    examples = other.index.examples

    assert len(examples) == EXAMPLES_AT_MOST == len(set(examples))
    assert {reason for reason, _ in examples} == {"max_series"}
    assert not {name for _, name in examples} & set(by_route(merge(shared)))
    size = recorder.instance.index.offset
    record(recorder, "/one/more")
    assert recorder.instance.index.examples == examples
    assert recorder.instance.index.offset - size < 100  # the name of its row
    other.close()
    recorder.instance.close()


def test_an_example_has_no_secret_and_no_length(shared):
    """A name an app has made of the whole address loses its query, its ids, and what is too long."""
    recorder = overflow(shared, routes=4, max_series=1)
    for name in ("/reset/0123456789abcdef0123/done?token=secret", "/" + "x" * 5000, "/a/" * 60):
        transaction = started(recorder)
        transaction.name = name
        finish(recorder, transaction)
    names = [name for _, name in recorder.instance.index.examples]

    assert "/reset/*/done" in names
    assert max(map(len, names)) <= 100
    assert not any("secret" in name or "?" in name for name in names)
    recorder.instance.close()


def test_a_full_budget_has_room_for_examples(shared):
    """When there is no room for anything else, what was left out can still be told."""
    recorder = recorder_at(shared, 300 * 1024)
    for number in range(2000):
        record(
            recorder,
            f"/{chr(97 + number % 26)}{chr(97 + number // 26 % 26)}{chr(97 + number // 676)}",
            950 << number % 38,
        )

    assert "budget" in {reason for reason, _ in recorder.instance.index.examples}
    recorder.instance.close()


def test_an_event_tells_once_an_hour(shared, monkeypatch):
    """With the number, the reasons and the examples; again only when an hour has passed and more have been left out."""
    now = [clock.time_ns()]
    monkeypatch.setattr(clock, "time_ns", lambda: now[0])
    recorder = overflow(shared)
    leader = observe(shared)  # whoever leads, also a process that counts nothing
    server = Server()
    deliver_events(leader, Resource(), server)
    assert len(server.bodies) == 1
    assert b"wsgiapm.series.limit" in server.bodies[0]
    assert b"requests are counted under (other)" in server.bodies[0]
    assert b"raise max_series" in server.bodies[0]
    deliver_events(leader, Resource(), server)
    record(recorder, "/zz/zz")
    deliver_events(recorder.instance, Resource(), server)
    assert len(server.bodies) == 1

    now[0] += HOUR
    deliver_events(recorder.instance, Resource(), server)
    assert len(server.bodies) == 2
    now[0] += HOUR
    deliver_events(recorder.instance, Resource(), server)
    assert len(server.bodies) == 2
    leader.close()
    recorder.instance.close()


def test_an_event_that_was_not_delivered_is_told_later(shared):
    """A server that cannot take it now gets it with the next round."""
    recorder = overflow(shared)
    deliver_events(recorder.instance, Resource(), Server("retry"))
    event = SeriesLimit(recorder.instance, Resource()).find_event()

    assert event is not None
    attributes = json.loads(event.payload)["attributes"]
    assert attributes["wsgiapm.requests"] == by_route(merge(shared))["(other)"]
    assert len(json.loads(attributes["wsgiapm.examples"])) == EXAMPLES_AT_MOST
    recorder.instance.close()


def test_where_nothing_is_left_out_nothing_is_told(shared):
    """No event, and no look at the segments either."""
    recorder = recorder_at(shared)
    record(recorder)
    server = Server()
    deliver_events(recorder.instance, Resource(), server)
    assert server.bodies == []
    recorder.instance.close()


def test_time_does_not_go_back_for_a_receiver(shared, monkeypatch):
    """Sums read after the wall clock was set back are later than those uploaded before, whoever reads them; up to a day."""
    from wsgiapm.aggregate.merge import note_uploaded

    wall, monotonic = [clock.time_ns()], [clock.monotonic_ns()]
    monkeypatch.setattr(clock, "time_ns", lambda: wall[0])
    monkeypatch.setattr(clock, "monotonic_ns", lambda: monotonic[0])
    recorder = recorder_at(shared)
    first = merge(shared)
    assert first.time_unix_nano == max(wall[0], first.start_time_unix_nano + 1)
    wall[0] += HOUR
    note_uploaded(recorder.instance.index, merge(shared).time_unix_nano)
    uploaded = wall[0]

    wall[0] -= HOUR // 2
    monotonic[0] += 10**10
    assert merge(shared).time_unix_nano == uploaded + 10**10
    wall[0] += HOUR
    assert merge(shared).time_unix_nano == wall[0]
    wall[0] -= 48 * HOUR
    assert merge(shared).time_unix_nano == max(wall[0], first.start_time_unix_nano + 1)
    recorder.instance.close()
