# SPDX-License-Identifier: Apache-2.0
"""The httpx library, for threads and for asyncio: a call with its redirects is one request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsgiapm.instruments._http import BODY, by_status, place_at
from wsgiapm.instruments._patch import Call, Outgoing

if TYPE_CHECKING:
    from wsgiapm.span import Operation

MODULE = "httpx"
VERSIONS = ">=0.24,<1"
RECORDS = "requests by method, host, port and status, redirects included; `traceparent` by way of httpcore"


def _describe(_client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation | None:
    request = args[0] if args else kwargs["request"]
    url = request.url
    place = place_at(url.scheme, url.netloc.decode("ascii"))
    return None if place is None else place.request(request.method)


def _body(_response: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation:
    return BODY


PATCHES = (
    Outgoing("httpx", "Client.send", _describe, by_status("status_code")),
    Outgoing("httpx", "AsyncClient.send", _describe, by_status("status_code")),
    Call("httpx", "Response.iter_raw", _body),
)
