# SPDX-License-Identifier: Apache-2.0
"""The demo's proof must notice every difference, and only differences."""

from __future__ import annotations

import comparison
import pytest

BOOKS = {"answered": 12, "routes": {"/": {"200": 9}, "/say/<str:what>/": {"200": 2, "404": 1}}}
SUMMARY = {"requests": 12, "status_codes": {"200": 11, "404": 1, "500": 0}}
TRANSACTIONS = {
    "transactions": [
        {"name": "/", "status_codes": {"200": 9}},
        {"name": "/say/<str:what>/", "status_codes": {"200": 2, "404": 1}},
    ]
}
METRICS = """\
# HELP http_server_request_duration_seconds Duration of HTTP server requests.
# TYPE http_server_request_duration_seconds histogram
http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",http_route="/",le="0.005"} 5
http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/"} 8
http_server_request_duration_seconds_count{http_request_method="HEAD",http_response_status_code="200",http_route="/"} 1
http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/say/<str:what>/"} 2
http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="404",http_route="/say/<str:what>/"} 1
"""


@pytest.fixture
def accounts():
    """The same twelve requests, told by all three."""
    return {
        "sent": comparison.from_traffic(BOOKS),
        "report": comparison.from_report(SUMMARY, TRANSACTIONS),
        "metrics": comparison.from_metrics(METRICS),
    }


def test_the_same_requests_are_equal_however_they_are_told(accounts):
    """Methods are added up, and a status that nobody saw is no difference."""
    assert comparison.are_equal(accounts)
    assert "differ" not in comparison.table(accounts)


@pytest.mark.parametrize("part", ["total", "statuses", "routes"])
def test_one_request_more_anywhere_is_a_difference(accounts, part):
    """The total, the status codes and the routes each have to agree."""
    report = accounts["report"]
    wrong = {
        "total": report._replace(total=13),
        "statuses": report._replace(statuses={**report.statuses, "404": 2}),
        "routes": report._replace(routes={**report.routes, ("/", "200"): 10}),
    }

    told = {**accounts, "report": wrong[part]}

    assert not comparison.are_equal(told)
    assert comparison.table(told).count("differ") == 1


def test_two_errors_that_cancel_out_in_the_total_are_seen(accounts):
    """A request booked under another route is a difference, though the totals agree."""
    routes = {("/", "200"): 8, ("(other)", "200"): 1, ("/say/<str:what>/", "200"): 2, ("/say/<str:what>/", "404"): 1}

    told = {**accounts, "metrics": accounts["metrics"]._replace(routes=routes)}

    assert not comparison.are_equal(told)


def test_escaped_label_values_are_read():
    """A route with a quote and a backslash is the route it was."""
    text = r'http_server_request_duration_seconds_count{http_route="/a\"b\\c",http_response_status_code="200"} 3'

    assert comparison.from_metrics(text).routes == {('/a"b\\c', "200"): 3}


def test_the_table_has_a_row_per_route_per_status_and_for_all(accounts):
    """Three rows of routes, two (and one of zeros) of statuses, the total, and the heading."""
    lines = comparison.table(accounts).splitlines()

    assert len(lines) == 1 + 3 + 3 + 1
    assert lines[-1].split() == ["all", "12", "12", "12"]
