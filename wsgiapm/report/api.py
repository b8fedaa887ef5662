# SPDX-License-Identifier: Apache-2.0
"""The table of the JSON API, and the resource that answers for each of its rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import falcon

from wsgiapm.errors import StoreError
from wsgiapm.report.access import Access
from wsgiapm.report.answer import send
from wsgiapm.report.apps import list_apps
from wsgiapm.report.background import list_tasks
from wsgiapm.report.databases import list_nosql, list_operations
from wsgiapm.report.events import list_events
from wsgiapm.report.external import list_requests
from wsgiapm.report.openapi import describe
from wsgiapm.report.question import Question
from wsgiapm.report.route import Route, Schema
from wsgiapm.report.statements import list_statements
from wsgiapm.report.summary import summarize
from wsgiapm.report.timeseries import list_points
from wsgiapm.report.transactions import list_transactions
from wsgiapm.report.workers import list_workers
from wsgiapm.store.protocol import Store

_RETRY_AFTER_S = 10
_WINDOW = ("app", "environment", "from", "to")
_TEXT, _WHOLE, _NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
_MAYBE_TEXT = {"type": ["string", "null"]}
_MAYBE = {"type": ["number", "null"]}
_ANYTHING = {"type": ["string", "number", "boolean", "null", "array", "object"]}
_COUNTS = {"type": "object", "additionalProperties": _WHOLE}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(name: str, item: Schema) -> Schema:
    return _object(**{name: {"type": "array", "items": item}})


_DURATION = _object(mean=_MAYBE, p50=_MAYBE, p75=_MAYBE, p95=_MAYBE, p99=_MAYBE, max=_MAYBE)
_FIGURES: dict[str, Schema] = {
    "requests": _WHOLE,
    "errors": _WHOLE,
    "aborted": _WHOLE,
    "throughput_rpm": _NUMBER,
    "apdex": _MAYBE,
    "status_codes": _COUNTS,
    "duration": _DURATION,
}
_POINT = _object(t=_WHOLE, values={"type": "object", "additionalProperties": _MAYBE}, late={"type": "boolean"})
_WORKER = _object(
    worker={"type": ["integer", "string"]},
    instance=_TEXT,
    pid={"type": ["integer", "null"]},
    state=_MAYBE_TEXT,
    requests=_WHOLE,
    memory={"type": ["integer", "null"]},
    cpu=_NUMBER,
    growth_per_hour=_MAYBE,
    last_seen=_WHOLE,
    last_exit={"type": "object", "additionalProperties": {"type": ["string", "number", "null"]}},
)
_CALLERS = {
    "type": "array",
    "items": _object(name=_TEXT, kind=_TEXT, calls=_WHOLE, seconds=_NUMBER, repetitions=_WHOLE),
}
_TARGET: dict[str, Schema] = {
    **dict.fromkeys(("system", "operation", "namespace", "collection", "server_address"), _MAYBE_TEXT),
    "server_port": {"type": ["integer", "string", "null"]},
}
_CALLS: dict[str, Schema] = {"calls": _WHOLE, "errors": _WHOLE, "seconds": _NUMBER, "duration": _DURATION}
_SITE = _object(
    file=_MAYBE_TEXT,
    line={"type": ["integer", "null"]},
    function=_MAYBE_TEXT,
    reason=_MAYBE_TEXT,
    transaction=_MAYBE_TEXT,
    t=_NUMBER,
    calls={"type": ["integer", "null"]},
    seconds=_MAYBE,
)

ROUTES = (
    Route(
        "/api/v1/apps",
        "The apps that report.",
        list_apps,
        _WINDOW,
        _list(
            "apps",
            _object(name=_TEXT, environments={"type": "array", "items": _TEXT}, instances=_WHOLE, last_seen=_WHOLE),
        ),
    ),
    Route(
        "/api/v1/summary",
        "An app, or one transaction, in one set of figures.",
        summarize,
        (*_WINDOW, "transaction"),
        _object(app=_TEXT, **{"from": _NUMBER}, to=_NUMBER, late=_WHOLE, apdex_t=_MAYBE, last_seen=_MAYBE, **_FIGURES),
    ),
    Route(
        "/api/v1/timeseries",
        "One metric over time, slot by slot.",
        list_points,
        ("metric", *_WINDOW, "transaction"),
        _object(metric=_TEXT, step=_WHOLE, points={"type": "array", "items": _POINT}),
        required=("metric",),
    ),
    Route(
        "/api/v1/transactions",
        "The transactions of an app, the one that takes the most time first.",
        list_transactions,
        (*_WINDOW, "transaction"),
        _list(
            "transactions",
            _object(
                name=_TEXT,
                kind=_TEXT,
                wall_clock_share=_NUMBER,
                methods=_COUNTS,
                breakdown={"type": "object", "additionalProperties": _NUMBER},
                **_FIGURES,
            ),
        ),
    ),
    Route(
        "/api/v1/databases",
        "What an app does with its SQL databases, and who calls; the operation that takes the most time first.",
        list_operations,
        _WINDOW,
        _list("operations", _object(**_TARGET, **_CALLS, callers=_CALLERS)),
    ),
    Route(
        "/api/v1/nosql",
        "What an app does with its caches and document stores, and who calls; the operation that takes the most time first.",
        list_nosql,
        _WINDOW,
        _list("operations", _object(**_TARGET, **_CALLS, callers=_CALLERS)),
    ),
    Route(
        "/api/v1/external",
        "The HTTP requests an app sends, by server and status, and who sends them; what takes the most time first.",
        list_requests,
        _WINDOW,
        _list(
            "operations",
            _object(**_TARGET, status={"type": ["integer", "string", "null"]}, **_CALLS, callers=_CALLERS),
        ),
    ),
    Route(
        "/api/v1/sql",
        "The SQL statements of an app, the one that takes the most time first; literals are not in them.",
        list_statements,
        (*_WINDOW, "limit"),
        _object(
            statements={
                "type": "array",
                "items": _object(
                    sql=_TEXT,
                    fingerprint=_TEXT,
                    **_TARGET,
                    **_CALLS,
                    transactions=_CALLERS,
                    n_plus_one={"type": "boolean"},
                    repetitions=_WHOLE,
                    site={**_SITE, "type": ["object", "null"]},
                    sites={"type": "array", "items": _SITE},
                    plan=_MAYBE_TEXT,
                ),
            },
            count=_WHOLE,
            seconds=_NUMBER,
        ),
    ),
    Route(
        "/api/v1/background",
        "The background tasks of an app, the one that takes the most time first; those that were killed are apart.",
        list_tasks,
        (*_WINDOW, "transaction"),
        _list(
            "tasks",
            _object(
                name=_TEXT,
                **dict.fromkeys(("runs", "failures", "retries", "aborted"), _WHOLE),
                seconds=_NUMBER,
                duration=_DURATION,
                queue_wait=_DURATION,
                breakdown={"type": "object", "additionalProperties": _NUMBER},
            ),
        ),
    ),
    Route(
        "/api/v1/workers",
        "The workers of an app and what they used; null stands for what is not reported.",
        list_workers,
        _WINDOW,
        _list("workers", _WORKER),
    ),
    Route(
        "/api/v1/events",
        "What happened at single moments: workers that died, and what other senders report; the newest first.",
        list_events,
        (*_WINDOW, "limit"),
        _list(
            "events",
            _object(
                id=_TEXT,
                t=_NUMBER,
                kind=_TEXT,
                name=_TEXT,
                message=_TEXT,
                instance=_TEXT,
                severity=_MAYBE_TEXT,
                attributes={"type": "object", "additionalProperties": _ANYTHING},
            ),
        ),
    ),
)


def table(otlp: Mapping[str, str]) -> tuple[Route, ...]:
    """Return all routes of the JSON API, its own description included.

    Args:
        otlp: the paths of the collector, and what each takes; for the description.
    """

    def answer(_question: Question) -> dict[str, Any]:
        return describe(routes, otlp)

    itself = Route("/api/v1/openapi.json", "This description.", answer, (), {"type": "object"})
    routes = (*ROUTES, itself)
    return routes


class Endpoint:
    """Answers GET for one route.

    Args:
        route: the row of the table.
        store: where the data are.
        access: who may see them.
        time: the clock, epoch seconds.
    """

    def __init__(self, route: Route, store: Store, access: Access, time: Callable[[], float]) -> None:
        self._route = route
        self._store = store
        self._access = access
        self._time = time

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer from one consistent view of the store."""
        self._access.require(req)
        parameters = {name: _first(value) for name, value in req.params.items()}
        try:
            with self._store.reading() as reader:
                question = Question(parameters, reader, self._store.tiers, self._store.detail_tiers, self._time())
                answer = self._route.answer(question)
        except StoreError as failure:
            raise falcon.HTTPServiceUnavailable(description=str(failure), retry_after=_RETRY_AFTER_S) from failure
        body = json.dumps(answer, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        send(req, resp, body.encode("utf-8", "replace"), "application/json", cache="private, no-cache")


def _first(value: str | list[str]) -> str:
    return value if isinstance(value, str) else value[0]
