# SPDX-License-Identifier: Apache-2.0
"""The urllib3 library: a call with its retries and redirects is one request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsgiapm.instruments._http import by_status, place_at, place_of
from wsgiapm.instruments._patch import Outgoing

if TYPE_CHECKING:
    from wsgiapm.span import Operation

MODULE = "urllib3"
VERSIONS = ">=1.26,<3"
RECORDS = (
    "requests by method, host, port and status, retries and redirects included; `traceparent` by way of http.client"
)


def _method_and_url(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, str]:
    return args[0] if args else kwargs["method"], args[1] if len(args) > 1 else kwargs["url"]


def _by_url(_manager: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation | None:
    method, url = _method_and_url(args, kwargs)
    place = place_of(url)
    return None if place is None else place.request(method)


def _by_pool(pool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation | None:
    method, url = _method_and_url(args, kwargs)
    # By way of a proxy, the address is in the URL.
    place = place_of(url) or place_at(pool.scheme, f"{pool.host}:{pool.port or ''}")
    return None if place is None else place.request(method)


PATCHES = (
    Outgoing("urllib3.poolmanager", "PoolManager.urlopen", _by_url, by_status("status")),
    Outgoing("urllib3.connectionpool", "HTTPConnectionPool.urlopen", _by_pool, by_status("status")),
)
