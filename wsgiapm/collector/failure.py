# SPDX-License-Identifier: Apache-2.0
"""Errors of the OTLP end points as the specification wants them: a google.rpc.Status in the request's encoding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsgiapm.collector import message
from wsgiapm.collector.refusal import Code
from wsgiapm.collector.resource import answer_type

if TYPE_CHECKING:
    import falcon

_CODES = {
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.NOT_FOUND,
    405: Code.UNIMPLEMENTED,
    413: Code.RESOURCE_EXHAUSTED,
    500: Code.INTERNAL,
    503: Code.UNAVAILABLE,
}


def serialize_failure(req: falcon.Request, resp: falcon.Response, failure: falcon.HTTPError) -> None:
    """Write an error into the response: JSON to whoever sent JSON, protobuf to all others."""
    content_type = answer_type(req) or message.PROTOBUF
    text = failure.description or failure.title or ""
    resp.content_type = content_type
    resp.data = message.encode_status(_CODES.get(failure.status_code, Code.INVALID_ARGUMENT), text, content_type)
