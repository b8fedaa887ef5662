# SPDX-License-Identifier: Apache-2.0
"""GET /api/v1/openapi.json: the description of the API, made from the table of its routes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from wsgiapm.report.route import PARAMETERS, Route
from wsgiapm.version import VERSION

_TOKENS = {
    "view": {"type": "http", "scheme": "bearer", "description": "the view token; or the cookie of POST /login"},
    "ingest": {"type": "http", "scheme": "bearer", "description": "the ingest token"},
}
_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {"status": {"type": "integer"}, "message": {"type": "string"}},
        }
    },
}


def describe(routes: Iterable[Route], otlp: Mapping[str, str]) -> dict[str, Any]:
    """Return the OpenAPI document.

    Args:
        routes: of the JSON API.
        otlp: the paths of the collector, and what each takes.
    """
    paths: dict[str, Any] = {route.path: {"get": _get(route)} for route in routes}
    paths |= {path: {"post": _post(summary)} for path, summary in otlp.items()}
    paths["/login"] = {"post": _login()}
    paths["/healthz"] = {"get": _plain("Whether the server and its store work.")}
    paths["/"] = {"get": _plain("The report.")}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "wsgiapm",
            "version": VERSION,
            "description": "Times are epoch seconds, durations seconds; null stands for nothing to compute it from.",
        },
        "paths": paths,
        "components": {"securitySchemes": _TOKENS, "schemas": {"Error": _ERROR}},
    }


def _get(route: Route) -> dict[str, Any]:
    return {
        "summary": route.summary,
        "security": [{"view": []}],
        "parameters": [_parameter(name, required=name in route.required) for name in route.parameters],
        "responses": {
            "200": {"description": route.summary, "content": {"application/json": {"schema": route.schema}}},
            **_failures("400", "401", "404", "503"),
        },
    }


def _parameter(name: str, *, required: bool) -> dict[str, Any]:
    description, schema = PARAMETERS[name]
    return {"name": name, "in": "query", "required": required, "description": description, "schema": schema}


def _post(summary: str) -> dict[str, Any]:
    content: dict[str, Any] = {"application/x-protobuf": {}, "application/json": {}}
    return {
        "summary": summary,
        "security": [{"ingest": []}],
        "requestBody": {"required": True, "content": content},
        "responses": {
            "200": {"description": "taken; partial_success says what was refused and why", "content": content},
            **{
                status: {"description": f"a google.rpc.Status: {what}", "content": content}
                for status, what in (
                    ("400", "unreadable"),
                    ("401", "no ingest token"),
                    ("413", "too large"),
                    ("415", "another content type or encoding"),
                    ("503", "the store is out of order; try again"),
                )
            },
        },
    }


def _login() -> dict[str, Any]:
    schema = {"type": "object", "required": ["token"], "properties": {"token": {"type": "string"}}}
    forms = ("application/json", "application/x-www-form-urlencoded")
    return {
        "summary": "Exchange the view token for a cookie.",
        "requestBody": {"required": True, "content": {form: {"schema": schema} for form in forms}},
        "responses": {
            "204": {"description": "the cookie, for JSON"},
            "303": {"description": "the cookie and the way to the report, for a form"},
            **_failures("400", "401", "415"),
        },
    }


def _plain(summary: str) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": {"description": summary}}}


def _failures(*statuses: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {status: {"description": "what was wrong, where, and what to do", "content": content} for status in statuses}
