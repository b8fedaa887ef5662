# SPDX-License-Identifier: Apache-2.0
"""Paths that are not recorded: those the settings ignore, and `metrics_path`, which is answered here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from wsgiapm.aggregate.merge import take_snapshot
from wsgiapm.aggregate.resource import Resource
from wsgiapm.config import Settings
from wsgiapm.ending import Source
from wsgiapm.middleware import WSGIApp
from wsgiapm.request import Environ

Special = Callable[[Environ, Callable[..., Any]], Any]


def find_special(app: WSGIApp, settings: Settings, source: Source) -> Special | None:
    """Return what answers special paths (and None for all others), or None when the settings name no such path."""
    if not settings.metrics_path and not settings.ignore_paths:
        return None
    ignored = tuple(settings.ignore_paths)
    metrics = _Metrics(settings, source) if settings.metrics_path else None

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Any:
        path = environ.get("PATH_INFO", "")
        if metrics is not None and path == settings.metrics_path:
            return metrics(environ, start_response)
        if ignored and (environ.get("SCRIPT_NAME", "") + path).startswith(ignored):
            return app(environ, start_response)
        return None

    return answer


def preceded_by(step: Callable[[], None], special: Special | None) -> Special:
    """Return the same with a step before it, at each request."""

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Any:
        step()
        return None if special is None else special(environ, start_response)

    return answer


class _Metrics:
    """Answers a scrape with the merged counters of all workers."""

    def __init__(self, settings: Settings, source: Source) -> None:
        from wsgiapm.exporters import prometheus  # noqa: PLC0415  # only where a path is set, and before any request

        self._settings = settings
        self._source = source
        self._exporter = prometheus

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if self._settings.metrics_token and not _may_read(environ, self._settings.metrics_token):
            return _plain(
                start_response,
                "401 Unauthorized",
                b"the metrics_token is needed, as bearer token or as password of basic authentication\n",
                ("WWW-Authenticate", 'Basic realm="metrics"'),
            )
        if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            return _plain(start_response, "405 Method Not Allowed", b"GET only\n", ("Allow", "GET, HEAD"))
        body = self._render()
        if body is None:
            return _plain(start_response, "503 Service Unavailable", b"the counters cannot be read; see the log\n")
        start_response("200 OK", [("Content-Type", self._exporter.CONTENT_TYPE), ("Content-Length", str(len(body)))])
        return [b"" if environ.get("REQUEST_METHOD") == "HEAD" else body]

    def _render(self) -> bytes | None:
        recorder = self._source.start()
        if recorder is None:
            return None
        try:
            return self._exporter.render(take_snapshot(recorder.instance, Resource(self._settings.service_version)))
        except Exception:  # noqa: BLE001  # part of the middleware's gate
            self._source.failed()
            return None


def _plain(start_response: Callable[..., Any], status: str, body: bytes, *headers: tuple[str, str]) -> list[bytes]:
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *headers])
    return [body]


def _may_read(environ: Environ, token: str) -> bool:
    from base64 import b64decode  # noqa: PLC0415  # only where a token is set
    from hmac import compare_digest  # noqa: PLC0415

    scheme, _, given = str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")
    if scheme.lower() == "basic":
        try:
            given = b64decode(given.strip(), validate=True).decode("utf-8", "replace").partition(":")[2]
        except ValueError:  # no base64, or no ASCII
            return False
    elif scheme.lower() != "bearer":
        return False
    return compare_digest(given.strip().encode(), token.encode())
