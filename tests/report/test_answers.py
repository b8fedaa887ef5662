# SPDX-License-Identifier: Apache-2.0
"""Answers are as openapi.json describes them: every key of it is there, of its type, and no other."""

from __future__ import annotations

import pytest

from tests.collector.messages import LogMessage, Message
from tests.report.conftest import NOW
from tests.report.test_databases import GET
from tests.report.test_databases import report as report_calls
from tests.report.test_figures_of_the_api import report as report_requests

TYPES = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
    "array": list,
    "object": dict,
}


def check(value, schema, where):
    """Fail when a value is not as a schema of ours describes it."""
    if not schema:
        return
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    assert any(isinstance(value, TYPES[kind]) for kind in kinds), (where, value)
    assert not isinstance(value, bool) or "boolean" in kinds, (where, value)
    if isinstance(value, list) and "items" in schema:
        for place, item in enumerate(value):
            check(item, schema["items"], f"{where}[{place}]")
    if isinstance(value, dict) and "properties" in schema:
        assert value.keys() == set(schema["required"]), where
        for name, item in value.items():
            check(item, schema["properties"][name], f"{where}.{name}")
    elif isinstance(value, dict) and "additionalProperties" in schema:
        for name, item in value.items():
            check(item, schema["additionalProperties"], f"{where}.{name}")


@pytest.mark.parametrize(
    "path",
    ["apps", "summary", "timeseries", "transactions", "workers", "events", "databases", "nosql", "external", "sql"],
)
def test_an_answer_is_as_it_is_described(site, path):
    """Of an app that has something of everything."""
    site.take(report_requests().sum(3, name="wsgiapm.worker.requests", worker=1))
    site.take(report_calls(time=NOW + 1).histogram({-27: 1}, name="db.client.operation.duration", **GET))
    request = Message(start=NOW - 5, time=NOW + 1, uid="two")
    site.take(request.histogram({-27: 1}, name="http.client.request.duration", server__port=80))
    site.tell(
        LogMessage()
        .record("wsgiapm.worker.died", time=NOW - 5, worker=1)
        .record(
            "wsgiapm.sql.site", wsgiapm__operation="a1", reason="slow", code__line__number=3, seconds="0.5", calls=1
        )
        .record("wsgiapm.sql.plan", wsgiapm__operation="a1", plan="SCAN")
    )
    site.now = NOW + 2
    described = site.get("openapi.json")["paths"][f"/api/v1/{path}"]["get"]
    schema = described["responses"]["200"]["content"]["application/json"]["schema"]

    answer = site.get(path, app="shop", metric="breakdown")

    check(answer, schema, path)
    assert any(isinstance(part, list | dict) and part for part in answer.values())
