# SPDX-License-Identifier: Apache-2.0
"""apps, summary, timeseries and transactions: the right numbers, and all of them from the same rows."""

from __future__ import annotations

import pytest

from tests.collector.messages import Message
from tests.report.conftest import NOW
from wsgiapm.report.timeseries import CHARTS
from wsgiapm.store.buckets import upper_bound

# About 97 ms and about 1 s and about 4 s.
FAST, SLOW, AWFUL = -27, -1, 15

NOTHING = dict.fromkeys(("python", "template", "db", "cache", "external", "messaging", "response"), 0.0)


def report(*, scale=1, time=NOW, start=NOW - 5, **identity):
    """A report of an app with two routes, errors and aborted requests; its counts are times ``scale``."""
    message = Message(start=start, time=time, **identity)
    message.requests({FAST: 80 * scale}, total=8.0 * scale)
    message.requests({SLOW: 10 * scale}, total=10.0 * scale, method="POST")
    message.requests({FAST: 6 * scale, AWFUL: 2 * scale}, total=8.0 * scale, status=500, error="500")
    message.requests({AWFUL: 2 * scale}, total=6.0 * scale, route="/slow/")
    for route, zones in (("/x/", (80, 10, 8)), ("/slow/", (0, 0, 2))):
        for zone, count in zip(("satisfied", "tolerating", "frustrated"), zones, strict=True):
            message.sum(count * scale, name="wsgiapm.apdex.requests", http__route=route, zone=zone)
    message.sum(3 * scale, name="wsgiapm.aborted_requests", http__route="/slow/", reason="killed")
    for route, component, seconds in (("/x/", "python", 2.0), ("/x/", "db", 24.0), ("/slow/", "external", 6.0)):
        message.sum(seconds * scale, name="wsgiapm.component.time", unit="s", http__route=route, component=component)
    message.gauge(0.25, name="wsgiapm.apdex.threshold", unit="s")
    return message


@pytest.fixture
def shop(site):
    """A site with one report of 100 requests."""
    site.take(report())
    return site


def test_summary(shop):
    """Every figure of the app within the last 30 minutes."""
    found = shop.get("summary", app="shop")

    duration = found.pop("duration")
    assert found == {
        "app": "shop",
        "from": NOW - 1800,
        "to": NOW,
        "requests": 100,
        "errors": 8,
        "aborted": 3,
        "late": 0,
        "throughput_rpm": pytest.approx(100 / 30, rel=1e-4),
        "apdex": 0.85,
        "apdex_t": 0.25,
        "status_codes": {"200": 92, "500": 8},
        "last_seen": NOW,
    } | {"throughput_rpm": found["throughput_rpm"]}
    assert found["throughput_rpm"] == pytest.approx(100 / 30, rel=1e-4)
    assert duration["mean"] == pytest.approx(0.32)
    assert duration["p50"] == pytest.approx(0.1, rel=0.09)
    assert duration["p95"] == pytest.approx(1.0, rel=0.09)
    assert duration["p99"] == pytest.approx(3.9, rel=0.09)
    assert duration["max"] == pytest.approx(upper_bound(AWFUL))
    assert list(duration) == ["mean", "p50", "p75", "p95", "p99", "max"]


def test_summary_of_one_transaction(shop):
    """The same keys, its own numbers; the threshold is the app's."""
    found = shop.get("summary", app="shop", transaction="/slow/")

    assert (found["requests"], found["errors"], found["aborted"], found["apdex"]) == (2, 0, 3, 0.0)
    assert found["apdex_t"] == 0.25


def test_an_app_that_rested_has_no_figures(shop):
    """Zeros for counts, null for what cannot be computed."""
    shop.now = NOW + 7200

    found = shop.get("summary", app="shop")

    assert (found["requests"], found["throughput_rpm"], found["status_codes"]) == (0, 0.0, {})
    assert found["apdex"] is None
    assert set(found["duration"].values()) == {None}
    assert found["apdex_t"] == 0.5
    assert found["last_seen"] == NOW
    assert shop.get("transactions", app="shop") == {"transactions": []}


def test_transactions(shop):
    """Sorted by their share of the time spent; each with its own figures."""
    first, second = shop.get("transactions", app="shop")["transactions"]

    assert (first["name"], first["kind"], first["requests"], first["errors"], first["aborted"]) == (
        "/x/",
        "web",
        98,
        8,
        0,
    )
    assert first["wall_clock_share"] == pytest.approx(26 / 32)
    assert first["status_codes"] == {"200": 90, "500": 8}
    assert first["methods"] == {"GET": 88, "POST": 10}
    assert first["apdex"] == pytest.approx(85 / 98, abs=1e-6)
    assert first["breakdown"] == NOTHING | {"python": pytest.approx(2 / 98), "db": pytest.approx(24 / 98)}
    assert sum(first["breakdown"].values()) == pytest.approx(first["duration"]["mean"])
    assert first["duration"]["mean"] == pytest.approx(26 / 98)
    assert (second["name"], second["requests"], second["aborted"], second["apdex"]) == ("/slow/", 2, 3, 0.0)
    assert second["wall_clock_share"] == pytest.approx(6 / 32)
    assert second["breakdown"] == NOTHING | {"external": 3.0}


def test_a_transaction_that_only_aborts_is_listed(site):
    """A route whose every request is killed would otherwise never be seen."""
    site.take(
        Message(start=NOW - 5, time=NOW).sum(2, name="wsgiapm.aborted_requests", http__route="/die/", reason="killed")
    )

    (found,) = site.get("transactions", app="shop")["transactions"]

    assert (found["name"], found["requests"], found["aborted"], found["wall_clock_share"]) == ("/die/", 0, 2, 0.0)
    assert found["apdex"] is None


def test_requests_without_a_route_have_a_name(site):
    """Other SDKs leave the attribute out when nothing matched."""
    site.take(Message(start=NOW - 5, time=NOW).histogram({FAST: 1}, http__request__method="GET"))

    (found,) = site.get("transactions", app="shop")["transactions"]

    assert (found["name"], found["status_codes"]) == ("(not found)", {"none": 1})


def points(site, metric, **parameters):
    """Return the points of a metric, by time."""
    found = site.get("timeseries", metric=metric, app="shop", **parameters)
    assert found["metric"] == metric
    return {point["t"]: point["values"] for point in found["points"]}


def test_every_slot_of_a_timeseries_is_there(shop):
    """With zeros or nulls where nothing was, and with the slot that is not over yet."""
    shop.now = NOW + 3

    throughput = points(shop, "throughput")
    duration = points(shop, "duration")

    assert list(throughput) == list(range(NOW - 1800, NOW + 10, 10)) == list(duration)
    assert throughput[NOW] == {"requests": 100, "rpm": 600.0}
    assert throughput[NOW - 10] == {"requests": 0, "rpm": 0.0}
    assert duration[NOW]["mean"] == pytest.approx(0.32)
    assert list(duration[NOW]) == ["mean", "p50", "p95", "p99"]
    assert duration[NOW - 10] == dict.fromkeys(("mean", "p50", "p95", "p99"))


@pytest.mark.parametrize(
    ("metric", "values", "nothing"),
    [
        ("errors", {"errors": 8, "rate": 0.08}, {"errors": 0, "rate": 0.0}),
        ("apdex", {"apdex": 0.85}, {"apdex": None}),
        ("status_codes", {"200": 92, "500": 8}, {}),
        ("heatmap", {"0.105112": 86, "1": 10, "4": 4}, {}),
        ("breakdown", NOTHING | {"python": 0.02, "db": 0.24, "external": 0.06}, {}),
    ],
)
def test_values_of_a_slot(shop, metric, values, nothing):
    """Each chart's own values."""
    shop.now = NOW + 1

    found = points(shop, metric)

    assert found[NOW] == values
    assert found[NOW - 10] == nothing


def test_a_timeseries_of_one_transaction(shop):
    """Only its own requests."""
    shop.now = NOW + 1

    assert points(shop, "throughput", transaction="/slow/")[NOW]["requests"] == 2
    assert points(shop, "apdex", transaction="/slow/")[NOW]["apdex"] == 0.0


def test_what_came_late_is_marked(site):
    """In the summary by its number, in the charts by its slots."""
    site.take(Message(start=NOW - 60, time=NOW).requests({FAST: 60}))
    site.take(Message(start=NOW - 60, time=NOW + 10).requests({FAST: 61}))
    site.now = NOW + 11

    late = {point["t"]: point["late"] for point in site.get("timeseries", metric="throughput", app="shop")["points"]}

    assert site.get("summary", app="shop")["late"] == 60
    assert [t for t in late if late[t]] == [NOW - 60 + 10 * i for i in range(6)]


def test_instances_and_environments_are_summed_and_can_be_told_apart(site):
    """Two instances of one environment, and another environment."""
    site.take(report(uid="one"))
    site.take(report(uid="two"))
    site.take(report(uid="three", environment="test"))

    assert site.get("summary", app="shop")["requests"] == 300
    assert site.get("summary", app="shop", environment="prod")["requests"] == 200
    assert site.get("summary", app="shop", environment="test")["requests"] == 100
    assert site.get("apps") == {
        "apps": [{"name": "shop", "environments": ["prod", "test"], "instances": 3, "last_seen": NOW}]
    }


@pytest.mark.parametrize("length", [60, 1800, 7200, 43_200, 86_400 * 3, 86_400 * 20])
def test_the_parts_of_a_page_agree(site, length):
    """Whatever the window: tiles, charts and table count the same requests, because they read the same rows."""
    for i in range(30):
        site.take(report(scale=i + 1, time=NOW - 29 * 10 + i * 10, start=NOW - 300))
    site.now = NOW + 4.2
    window = {"app": "shop", "from_": site.now - length, "to": site.now}

    summary = site.get("summary", **window)
    charts = {metric: site.get("timeseries", metric=metric, **window)["points"] for metric in CHARTS}
    table = site.get("transactions", **window)["transactions"]

    def total(metric, *names):
        values = [point["values"] for point in charts[metric]]
        return sum(number for value in values for name, number in value.items() if not names or name in names)

    assert summary["requests"] > 0
    assert total("throughput", "requests") == summary["requests"] == sum(row["requests"] for row in table)
    assert total("errors", "errors") == summary["errors"] == sum(row["errors"] for row in table)
    assert total("heatmap") == total("status_codes") == sum(summary["status_codes"].values()) == summary["requests"]
    assert sum(row["aborted"] for row in table) == summary["aborted"]
    assert sum(row["wall_clock_share"] for row in table) == pytest.approx(1)
    if length >= 1800:
        assert summary["requests"] == 3000


def test_apdex_without_zones_is_computed_from_the_durations(site):
    """Other SDKs do not count zones: T is 0.5 s then, errors are frustrated."""
    message = Message(start=NOW - 5, time=NOW)
    message.requests({FAST: 80, SLOW: 10, AWFUL: 2}).requests({FAST: 8}, status=500, error="500")
    site.take(message)
    site.now = NOW + 1

    assert site.get("summary", app="shop")["apdex"] == 0.85
    assert points(site, "apdex")[NOW] == {"apdex": 0.85}
    assert site.get("transactions", app="shop")["transactions"][0]["apdex"] == 0.85


def test_an_app_appears_with_its_first_report(site):
    """Nothing is set up for it; without any there is an empty list."""
    assert site.get("apps") == {"apps": []}
    site.take(Message(start=NOW - 5, time=NOW, environment="").gauge(1, name="g"))

    assert site.get("apps") == {"apps": [{"name": "shop", "environments": [], "instances": 1, "last_seen": NOW}]}
    site.now = NOW + 7200
    assert site.get("apps")["apps"][0]["instances"] == 0


def test_the_only_app_need_not_be_named(shop):
    """A person with one app types less."""
    assert shop.get("summary")["app"] == "shop"


def test_the_parts_of_the_time_of_late_requests_add_up(site):
    """Requests and component times are spread over the slots each for itself; what is shown fits the requests of a slot."""
    site.take(Message(start=NOW - 600, time=NOW - 600).requests({FAST: 1}, total=0.1))
    message = Message(start=NOW - 600, time=NOW).requests({FAST: 8, SLOW: 3}, total=4.0)
    for component, seconds in (("python", 0.5), ("db", 3.0), ("response", 0.5)):
        message.sum(seconds, name="wsgiapm.component.time", unit="s", http__route="/x/", component=component)
    site.take(message)

    means = {t: values["mean"] for t, values in points(site, "duration").items() if values["mean"]}
    parts = {t: values for t, values in points(site, "breakdown").items() if values}

    assert len(means) > 5
    assert {t: pytest.approx(sum(values.values())) for t, values in parts.items()} == means
