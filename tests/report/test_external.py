# SPDX-License-Identifier: Apache-2.0
"""GET /api/v1/external: requests that an app sends, by server and status, with their errors and who sends them."""

from __future__ import annotations

import pytest

from tests.collector.messages import Message
from tests.report.conftest import NOW
from tests.report.test_databases import caller
from wsgiapm.instruments._http import Place
from wsgiapm.span import identify
from wsgiapm.store.model import CALLER_CALLS, CALLER_TIME, HTTP_CLIENT_DURATION

# About 10 ms and about 100 ms.
FAST, SLOW = -53, -27
PLACE = Place("pay.example", 443)
POST = PLACE.request("POST")


def report(**identity):
    """What an agent says of 90 requests that were answered well, 6 that were not, and 4 that were not answered."""
    message = Message(start=NOW - 5, time=NOW, **identity)
    for cells, total, operation, error in (
        ({FAST: 80, SLOW: 10}, 2.0, POST.answer(201), None),
        ({SLOW: 6}, 0.75, POST.answer(503), "503"),
        ({SLOW: 4}, 8.0, POST, "requests.exceptions.ReadTimeout"),
    ):
        attributes = {name.replace(".", "__"): value for name, value in operation.attributes}
        failed = {} if error is None else {"error__type": error}
        message.histogram(cells, total=total, name=HTTP_CLIENT_DURATION, **attributes, **failed)
        scope = {"http__route": "/buy/", "wsgiapm__operation": identify(operation)}
        message.sum(sum(cells.values()), name=CALLER_CALLS, unit="{call}", **scope)
        message.sum(total, name=CALLER_TIME, unit="s", **scope)
    return message


def test_requests(site):
    """Every key, sorted by the time they take; each with those who sent it, known by what both ends make of it."""
    site.take(report())
    unanswered, well, badly = site.get("external", app="shop")["operations"]

    durations = [row.pop("duration") for row in (unanswered, well, badly)]
    server = {
        "system": "http",
        "operation": "POST",
        "namespace": None,
        "collection": None,
        "server_address": "pay.example",
        "server_port": 443,
    }
    assert unanswered == {
        **server,
        "status": None,
        "calls": 4,
        "errors": 4,
        "seconds": 8.0,
        "callers": [caller("/buy/", "web", 4, 8.0)],
    }
    assert well == {
        **server,
        "status": 201,
        "calls": 90,
        "errors": 0,
        "seconds": 2.0,
        "callers": [caller("/buy/", "web", 90, 2.0)],
    }
    assert (badly["status"], badly["calls"], badly["errors"]) == (503, 6, 6)
    assert durations[1]["mean"] == pytest.approx(2 / 90)
    assert durations[1]["p50"] == pytest.approx(0.0106, rel=0.09)


def test_what_was_sent_to_databases_is_not_among_them(site):
    """Nor the other way round."""
    site.take(report())

    assert site.get("databases", app="shop")["operations"] == []


def test_another_sender_is_shown_without_callers(site):
    """An OpenTelemetry SDK tells of no callers; its status may be missing, its attributes more."""
    message = Message(start=NOW - 5, time=NOW)
    message.histogram(
        {FAST: 3}, total=0.03, name=HTTP_CLIENT_DURATION, server__address="a", server__port=80, url__scheme="http"
    )
    site.take(message)

    [row] = site.get("external", app="shop")["operations"]
    assert (row["server_address"], row["operation"], row["calls"], row["callers"]) == ("a", None, 3, [])
