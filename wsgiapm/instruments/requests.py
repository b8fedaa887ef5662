# SPDX-License-Identifier: Apache-2.0
"""The requests library: a call with its redirects, and its body unless that is streamed, is one request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsgiapm.instruments._http import by_status, place_of
from wsgiapm.instruments._patch import Outgoing

if TYPE_CHECKING:
    from wsgiapm.span import Operation

MODULE = "requests"
VERSIONS = ">=2.20,<3"
RECORDS = "requests by method, host, port and status, redirects included; `traceparent` by way of http.client"


def _describe(_session: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation | None:
    request = args[0] if args else kwargs["request"]
    place = place_of(request.url)
    return None if place is None else place.request(request.method)


PATCHES = (Outgoing("requests.sessions", "Session.send", _describe, by_status("status_code")),)
