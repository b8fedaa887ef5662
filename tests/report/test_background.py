# SPDX-License-Identifier: Apache-2.0
"""GET /api/v1/background: tasks with their runs, failures, retries, waits and times; and that they are no requests."""

from __future__ import annotations

import pytest

from tests.collector.messages import Message
from tests.report.conftest import NOW
from wsgiapm.report.background import ABORTED, RUNS, WAITS
from wsgiapm.report.figures import COMPONENTS

# About 10 ms and about 100 ms.
FAST, SLOW = -53, -27


def runs(message, cells, total, task, outcome):
    """Add runs of a task that took `total` seconds."""
    message.histogram(cells, total=total, name=RUNS, task=task, outcome=outcome)


def report():
    """A report of an app with two tasks, and requests."""
    message = Message(start=NOW - 5, time=NOW)
    runs(message, {FAST: 8}, 0.5, "mail", "success")
    runs(message, {SLOW: 2}, 0.25, "mail", "failure")
    runs(message, {SLOW: 1}, 0.25, "mail", "retry")
    runs(message, {SLOW: 4}, 3.0, "bill", "success")
    message.histogram({SLOW: 10}, total=1.0, name=WAITS, task="mail")
    message.sum(3, name=ABORTED, unit="{task}", task="mail", reason="killed")
    message.sum(0.75, name=COMPONENTS, unit="s", task="mail", component="python")
    message.sum(0.25, name=COMPONENTS, unit="s", task="mail", component="db")
    message.requests({FAST: 4}, route="/x/")
    message.sum(0.5, name=COMPONENTS, unit="s", http__route="/x/", component="python")
    return message


@pytest.fixture
def shop(site):
    """A site with that report."""
    site.take(report())
    return site


def test_tasks_are_listed_by_the_time_they_take(shop):
    """Every key; runs are all that have ended, what was killed is apart."""
    bill, mail = shop.get("background", app="shop")["tasks"]
    assert (bill["name"], bill["runs"], bill["seconds"]) == ("bill", 4, 3.0)
    assert bill["queue_wait"]["mean"] is None
    assert bill["breakdown"] == {}
    counts = {name: mail[name] for name in ("name", "runs", "failures", "retries", "aborted", "seconds")}
    assert counts == {"name": "mail", "runs": 11, "failures": 2, "retries": 1, "aborted": 3, "seconds": 1.0}
    assert mail["duration"]["mean"] == pytest.approx(1 / 11)
    assert mail["duration"]["p50"] < mail["duration"]["p95"]
    assert mail["queue_wait"]["mean"] == pytest.approx(0.1)
    assert mail["breakdown"]["db"] == pytest.approx(0.25 / 11)


def test_one_task_can_be_asked_for(shop):
    """By its name, as a transaction."""
    (task,) = shop.get("background", app="shop", transaction="mail")["tasks"]
    assert (task["name"], task["runs"]) == ("mail", 11)


def test_tasks_are_no_requests(shop):
    """Neither their runs nor their time are in what is told of requests, of the app and of each transaction."""
    assert shop.get("summary", app="shop")["requests"] == 4
    (transaction,) = shop.get("transactions", app="shop")["transactions"]
    assert transaction["name"] == "/x/"
    points = shop.get("timeseries", app="shop", metric="breakdown")["points"]
    assert [point["values"]["db"] for point in points if point["values"].get("python")] == [0]
    assert [point["values"]["python"] for point in points if point["values"].get("python")] == [0.125]


def test_no_tasks(site):
    """Of an app that has none there is an empty list."""
    message = Message(start=NOW - 5, time=NOW)
    message.requests({FAST: 1})
    site.take(message)
    assert site.get("background", app="shop") == {"tasks": []}
