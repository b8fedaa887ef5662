# SPDX-License-Identifier: Apache-2.0
"""The OTLP/HTTP end points.

Source: the OTLP specification, "OTLP/HTTP Request" and "OTLP/HTTP Response".
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

import falcon
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from wsgiapm import log
from wsgiapm.collector import message
from wsgiapm.collector.body import MAX_COMPRESSED, BodyTooLargeError, BrokenBodyError, read_body
from wsgiapm.collector.events import keep_events
from wsgiapm.collector.ingest import ingest
from wsgiapm.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from google.protobuf.message import Message

    from wsgiapm.collector.refusal import Refusals
    from wsgiapm.store.protocol import Store

    M = TypeVar("M", bound=Message)

_TYPES = (message.PROTOBUF, message.JSON)
_ENCODINGS = ("", "identity", "gzip")
_RETRY_AFTER_S = 10
_LONGEST_MESSAGE = 1000


class Endpoint:
    """What the three end points share: who may post, and how a body is read and answered.

    Args:
        token: the ingest token.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def _receive(self, req: falcon.Request, make: Callable[[], M]) -> M:
        self._check_token(req)
        content_type = answer_type(req)
        if content_type is None:
            msg = f"Content-Type is {req.content_type!r}; OTLP is {message.PROTOBUF} or {message.JSON}"
            raise falcon.HTTPUnsupportedMediaType(description=msg)
        encoding = (req.get_header("Content-Encoding") or "").strip().lower()
        if encoding not in _ENCODINGS:
            msg = f"Content-Encoding is {encoding!r}; only gzip and identity are taken"
            raise falcon.HTTPUnsupportedMediaType(description=msg)
        if (req.content_length or 0) > MAX_COMPRESSED:
            msg = f"the body is larger than {MAX_COMPRESSED} bytes; send smaller batches"
            raise falcon.HTTPContentTooLarge(description=msg)
        # A body of unknown length ends where the server says so; the bounded stream would take it for empty.
        stream = req.bounded_stream if req.content_length is not None else req.stream
        try:
            return message.decode(read_body(stream, encoding, req.content_length), content_type, make)
        except BodyTooLargeError as failure:
            raise falcon.HTTPContentTooLarge(description=str(failure)) from failure
        except BrokenBodyError as failure:
            raise falcon.HTTPBadRequest(description=str(failure)[:_LONGEST_MESSAGE]) from failure

    def _check_token(self, req: falcon.Request) -> None:
        scheme, _, given = (req.auth or "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self._token):
            msg = (
                "the ingest token is missing or wrong; set license_key to the content of the server's ingest-token file"
            )
            raise falcon.HTTPUnauthorized(description=msg, challenges=["Bearer"])


class _StoringEndpoint(Endpoint):
    """An end point with a store behind it.

    Args:
        token: the ingest token.
        store: where to.
        time_ns: the clock, Unix nanoseconds.
    """

    def __init__(self, token: str, store: Store, time_ns: Callable[[], int]) -> None:
        super().__init__(token)
        self._store = store
        self._time_ns = time_ns

    def _keep(self, keep: Callable[[Store, M, int], Refusals], request: M) -> Refusals:
        try:
            refusals = keep(self._store, request, self._time_ns())
        except StoreError as failure:
            log.once("ingest", "ERROR", "a report was not taken, senders will try again: %s", failure)
            raise falcon.HTTPServiceUnavailable(description=str(failure), retry_after=_RETRY_AFTER_S) from failure
        if refusals.count:
            log.once(f"refused {refusals.reasons}", "WARNING", "refused of a report: %s", refusals.message)
        return refusals


class MetricsEndpoint(_StoringEndpoint):
    """POST /v1/metrics: stores metrics."""

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Book the metrics; the answer is given when they are kept."""
        refusals = self._keep(ingest, self._receive(req, ExportMetricsServiceRequest))
        answer = ExportMetricsServiceResponse()
        if refusals.count:
            answer.partial_success.rejected_data_points = refusals.count
            answer.partial_success.error_message = refusals.message
        _answer(req, resp, answer)


class TracesEndpoint(Endpoint):
    """POST /v1/traces: reads spans, and says that they are not stored."""

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Refuse the spans one and all, as a partial success."""
        request = self._receive(req, ExportTraceServiceRequest)
        answer = ExportTraceServiceResponse()
        scopes = (scope for resource in request.resource_spans for scope in resource.scope_spans)
        if count := sum(len(scope.spans) for scope in scopes):
            answer.partial_success.rejected_spans = count
            answer.partial_success.error_message = "spans are not stored yet"
        _answer(req, resp, answer)


class LogsEndpoint(_StoringEndpoint):
    """POST /v1/logs: stores the log records that are events, and says of others that they are not stored."""

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Keep the events; the answer is given when they are kept."""
        refusals = self._keep(keep_events, self._receive(req, ExportLogsServiceRequest))
        answer = ExportLogsServiceResponse()
        if refusals.count:
            answer.partial_success.rejected_log_records = refusals.count
            answer.partial_success.error_message = refusals.message
        _answer(req, resp, answer)


def answer_type(req: falcon.Request) -> str | None:
    """Return the encoding to answer in, which is the request's; None if it is none of OTLP's."""
    content_type = (req.content_type or "").partition(";")[0].strip().lower()
    return content_type if content_type in _TYPES else None


def _answer(req: falcon.Request, resp: falcon.Response, answer: Message) -> None:
    content_type = answer_type(req) or message.PROTOBUF
    resp.content_type = content_type
    resp.data = message.encode(answer, content_type)
