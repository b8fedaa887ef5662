# SPDX-License-Identifier: Apache-2.0
"""GET /api/v1/events: what it shows of an event, and which ones."""

from __future__ import annotations

import json

import pytest

from tests.collector.messages import LogMessage
from tests.report.conftest import NOW
from wsgiapm.collector.events import keep_events

IN_FLIGHT = [{"route": "/x/", "method": "GET", "seconds": 1.5, "at": "a.py:3 in f"}, {"route": "(other)", "count": 2}]


def take(site, message):
    """Keep the events of a message."""
    assert keep_events(site.store, message.request, round(site.now * 10**9)).count == 0


def test_a_death_is_shown_whole(site):
    """Every key, with the requests in flight as a list."""
    take(
        site,
        LogMessage().record(
            "wsgiapm.worker.died",
            body="worker 1 died",
            time=NOW - 60.25,
            worker=1,
            wsgiapm__exit="SIGKILL",
            wsgiapm__in_flight=json.dumps(IN_FLIGHT),
        ),
    )

    (event,) = site.get("events", app="shop")["events"]

    assert len(event.pop("id")) == 16
    assert event == {
        "t": NOW - 60.25,
        "kind": "worker_died",
        "name": "wsgiapm.worker.died",
        "message": "worker 1 died",
        "instance": "one",
        "severity": "warning",
        "attributes": {"worker": 1, "wsgiapm.exit": "SIGKILL", "wsgiapm.in_flight": IN_FLIGHT},
    }


@pytest.mark.parametrize(
    "text", ["", "[", "{}", "3", "[1]", '[{"a": []}]', '[{"a": 1e999}]', '[{"a": NaN}]', "[" * 9999]
)
def test_in_flight_of_another_form_stays_as_it_was_sent(site, text):
    """Nothing that was sent can break the answer."""
    take(site, LogMessage().record("wsgiapm.worker.died", wsgiapm__in_flight=text))

    (event,) = site.get("events", app="shop")["events"]

    assert event["attributes"] == {"wsgiapm.in_flight": text}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("wsgiapm.worker.died", "worker_died"), ("wsgiapm.deploy", "deploy"), ("disk.full", "other")],
)
def test_kinds(site, name, kind):
    """Ours have one each, of other senders there is one."""
    take(site, LogMessage().record(name))

    (event,) = site.get("events", app="shop")["events"]

    assert (event["name"], event["kind"]) == (name, kind)


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (0, None),
        (1, "trace"),
        (5, "debug"),
        (9, "info"),
        (12, "info"),
        (13, "warning"),
        (17, "error"),
        (24, "fatal"),
        (25, None),
    ],
)
def test_severities(site, number, word):
    """OTLP's ranges of four; null when nothing is said."""
    take(site, LogMessage().record("a", severity=number))

    assert [event["severity"] for event in site.get("events", app="shop")["events"]] == [word]


def test_the_newest_of_all_environments_come_first(site):
    """One list, cut to the limit after it was put together."""
    for i in range(6):
        take(site, LogMessage(environment=("prod", "test")[i % 2]).record(f"e{i}", time=NOW - 10 * i))

    def names(**parameters):
        return [event["name"] for event in site.get("events", app="shop", **parameters)["events"]]

    assert names() == ["e0", "e1", "e2", "e3", "e4", "e5"]
    assert names(limit=3) == ["e0", "e1", "e2"]
    assert names(environment="test") == ["e1", "e3", "e5"]
    assert names(from_=NOW - 30, to=NOW - 11) == ["e2", "e3"]


def test_a_hundred_are_shown_unless_more_are_asked_for(site):
    """As many as fit a page."""
    message = LogMessage()
    for i in range(120):
        message.record(f"e{i}", time=NOW - i)
    take(site, message)

    assert len(site.get("events", app="shop")["events"]) == 100
    assert len(site.get("events", app="shop", limit=1000)["events"]) == 120


def test_pages(site):
    """Whoever goes on at the time of the last one sees all, also over a day, where slots are wide."""
    message = LogMessage()
    for i in range(50):
        message.record(f"e{i}", time=NOW - 1700 * i)
    take(site, message)
    seen, to = [], NOW
    for _ in range(9):
        page = site.get("events", app="shop", from_=NOW - 86_400, to=to, limit=7)["events"]
        seen += [event["name"] for event in page if event["name"] not in seen]
        to = page[-1]["t"]

    assert seen == [f"e{i}" for i in range(50)]
    assert site.get("events", app="shop", from_=NOW - 86_400, to=NOW - 1)["events"][0]["name"] == "e1"


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x", "", "1.5", "²", "9" * 5000])
def test_a_limit_that_is_none_is_named(site, limit):
    """With what it may be."""
    take(site, LogMessage().record("a"))

    message = site.get("events", status=400, app="shop", limit=limit)["error"]["message"]

    assert message.startswith("limit: ")
    assert message.endswith("is not a whole number from 1 to 1000")
