# SPDX-License-Identifier: Apache-2.0
"""Wrong questions are answered with what was wrong, where, and what there is."""

from __future__ import annotations

import pytest
from falcon import testing

from tests.collector.messages import LogMessage, Message
from tests.report.conftest import HOST, NOW, VIEW
from wsgiapm.collector.events import keep_events

PATHS = (
    "apps",
    "summary",
    "timeseries",
    "transactions",
    "workers",
    "events",
    "databases",
    "external",
    "nosql",
    "sql",
    "openapi.json",
)


@pytest.fixture
def site(site):
    """A site with two apps."""
    site.take(Message(start=NOW - 5, time=NOW).requests({-27: 1}))
    site.take(Message(start=NOW - 5, time=NOW, app="café").requests({-27: 1}))
    return site


def refusal(site, status, path="summary", **parameters):
    """Return the message of an error."""
    found = site.get(path, status=status, **parameters)
    assert found.keys() == {"error"}
    assert found["error"].keys() == {"status", "message"}
    assert found["error"]["status"] == status
    return found["error"]["message"]


@pytest.mark.parametrize(
    "path",
    ["summary", "timeseries", "transactions", "workers", "events", "databases", "nosql", "external", "sql", "apps"],
)
@pytest.mark.parametrize("name", ["from_", "to"])
@pytest.mark.parametrize("value", ["x", "", "nan", "inf", "-1", "1e12", f"{NOW}000", "2026-01-01", "\x00"])
def test_a_time_that_is_none_is_named(site, path, name, value):
    """Words, not-a-number, milliseconds."""
    message = refusal(site, 400, path, app="shop", metric="throughput", **{name: value})

    assert message.startswith(f"{name.rstrip('_')}: ")
    assert "epoch seconds" in message


def test_a_window_must_not_end_before_it_begins(site):
    """Nor be empty."""
    assert refusal(site, 400, app="shop", from_=NOW, to=NOW).startswith("from: ")
    assert refusal(site, 400, app="shop", from_=NOW + 1).startswith("from: ")


def test_times_may_have_fractions(site):
    """As JavaScript has them."""
    assert site.get("summary", app="shop", from_=NOW - 10.5, to=NOW + 0.25)["requests"] == 1


def test_an_unknown_app_is_told_which_there_are(site):
    """404; the list helps against typing errors."""
    assert refusal(site, 404, app="shoq") == "app: 'shoq' has not reported here; known apps: 'café', 'shop'"
    assert refusal(site, 404, app="shop", environment="x").startswith("environment: 'shop' has not reported from 'x'")


def test_an_app_must_be_named_if_there_are_several(site):
    """400, with the list."""
    assert refusal(site, 400) == "app: is missing; known apps: 'café', 'shop'"


def test_a_name_may_be_anything(site):
    """It is a value in an address, not a path."""
    assert site.get("summary", app="café")["requests"] == 1


@pytest.mark.parametrize("metric", ["", "x", "Throughput"])
def test_an_unknown_metric_is_told_which_there_are(site, metric):
    """400, with the list."""
    message = refusal(site, 400, "timeseries", app="shop", metric=metric)

    assert message.startswith("metric: ")
    assert "throughput, duration" in message


def test_an_unknown_transaction_has_no_requests(site):
    """It may have had some yesterday."""
    assert site.get("summary", app="shop", transaction="/nowhere/")["requests"] == 0


def test_an_unknown_path_is_not_found(site):
    """In the same form as every error."""
    assert refusal(site, 404, "nothing") == "there is nothing at /api/v1/nothing"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_the_api_is_for_reading(site, path, method):
    """405 for whatever else."""
    answer = site.client.simulate_request(method, f"/api/v1/{path}", headers={"Authorization": f"Bearer {VIEW}"})

    assert answer.status_code == 405
    assert answer.json["error"]["status"] == 405


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer ingest-secret"}, {"Authorization": "Basic x"}],
)
def test_nothing_is_shown_without_the_token(site, path, headers):
    """The ingest token does not open it either."""
    answer = site.client.simulate_get(f"/api/v1/{path}", headers=headers)

    assert answer.status_code == 401
    assert "wsgiapm serve" in answer.json["error"]["message"]


def test_polling_costs_little(site):
    """The same answer has the same tag; 304 has no body."""
    headers = {"Authorization": f"Bearer {VIEW}"}
    path = f"/api/v1/summary?app=shop&from={NOW - 600}&to={NOW + 10}"
    first = site.client.simulate_get(path, headers=headers)

    again = site.client.simulate_get(path, headers=headers | {"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]

    site.take(Message(start=NOW - 5, time=NOW + 5).requests({-27: 2}))
    changed = site.client.simulate_get(path, headers=headers | {"If-None-Match": first.headers["etag"]})
    assert (changed.status_code, changed.json["requests"]) == (200, 2)


@pytest.mark.parametrize(
    ("accepted", "compressed"), [("gzip, br", True), ("", False), ("gzip;q=0", False), ("br", False)]
)
def test_long_answers_are_compressed_if_the_client_can(site, accepted, compressed):
    """And only then."""
    headers = {"Authorization": f"Bearer {VIEW}", "Accept-Encoding": accepted}

    answer = site.client.simulate_get("/api/v1/timeseries?app=shop&metric=throughput", headers=headers)

    assert (answer.headers.get("content-encoding") == "gzip") is compressed
    assert answer.content.startswith(b"\x1f\x8b") is compressed


def test_a_store_that_cannot_be_read_is_a_503(site):
    """With a sentence and a time to come again; healthz says the same, without saying more."""
    site.store.close()
    answer = site.client.simulate_get("/api/v1/apps", headers={"Authorization": f"Bearer {VIEW}"})
    health = site.client.simulate_get("/healthz")

    assert answer.status_code == health.status_code == 503
    assert "cannot be read" in answer.json["error"]["message"]
    assert int(answer.headers["retry-after"]) > 0
    assert ".db" not in health.text


def test_healthz_is_open(site):
    """For supervisors; HEAD too."""
    assert site.client.simulate_get("/healthz").text == "ok\n"
    assert site.client.simulate_head("/healthz").status_code == 200


def test_the_description_has_every_route(site):
    """It is generated from the table that routes, and the collector's paths are in it."""
    app = site.client.app
    routed = set()

    def walk(nodes):
        for node in nodes:
            if node.resource is not None:
                routed.add(node.uri_template)
            walk(node.children)

    walk(app._router._roots)
    described = site.get("openapi.json")

    assert routed == set(described["paths"])
    assert described["openapi"].startswith("3.")


def test_answers_are_as_described(site):
    """Each answer of the API has just the keys of its schema, nested ones too."""
    described = site.get("openapi.json")["paths"]
    died = LogMessage().record("wsgiapm.worker.died", worker=1, x=0.5, wsgiapm__in_flight='[{"route": "/x/"}]')
    keep_events(site.store, died.request, NOW * 10**9)
    worker = Message(start=NOW - 5, time=NOW).sum(1, name="wsgiapm.worker.requests", worker=1)
    site.take(worker.gauge(1, name="wsgiapm.worker.memory", unit="By", worker=1))
    for name in ("apps", "summary", "timeseries", "transactions", "workers", "events"):
        content = described[f"/api/v1/{name}"]["get"]["responses"]["200"]["content"]
        check(site.get(name, app="shop", metric="throughput"), content["application/json"]["schema"], name)


def check(value, schema, place):
    """Compare a value with the few words of JSON Schema that are used."""
    kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
    kinds |= {"array": list, "object": dict}
    expected = schema["type"]
    if expected == "array":
        for item in value:
            check(item, schema["items"], place + "[]")
    elif expected == "object":
        assert set(value) == set(schema.get("properties", value)), place
        for name, item in value.items():
            check(item, schema.get("properties", {}).get(name) or schema["additionalProperties"], f"{place}.{name}")
    else:
        allowed = expected if isinstance(expected, list) else [expected]
        assert any(isinstance(value, kinds[kind]) for kind in allowed), place


def test_the_client_of_these_tests_checks_wsgi(site):
    """falcon.testing validates what is sent."""
    assert isinstance(site.client, testing.TestClient)
    assert HOST == "localhost"
