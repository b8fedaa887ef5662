# SPDX-License-Identifier: Apache-2.0
"""The httpcore library, which httpx stands upon: its requests are made anew for each call, so a header may be added."""

from __future__ import annotations

from typing import Any

from wsgiapm.instruments._http import HEADER
from wsgiapm.instruments._patch import Before

MODULE = "httpcore"
VERSIONS = ">=0.17,<2"
RECORDS = "nothing; sends `traceparent`"

_HEADER = HEADER.encode()


def _send(transaction: Any, _pool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    request = args[0] if args else kwargs["request"]
    if all(name.lower() != _HEADER for name, _ in request.headers):
        # A new list: whoever made the request may use theirs again.
        request.headers = [*request.headers, (_HEADER, transaction.traceparent().encode())]


PATCHES = (
    Before("httpcore", "ConnectionPool.handle_request", _send),
    Before("httpcore", "AsyncConnectionPool.handle_async_request", _send),
)
