# SPDX-License-Identifier: Apache-2.0
"""The least a middleware can be that sees the end of a request: it records nothing."""

from __future__ import annotations

from typing import Any


class _Body:
    __slots__ = ("_body", "_iterator")

    def __init__(self, body: Any) -> None:
        self._body = body
        self._iterator = iter(body)

    def __iter__(self) -> _Body:
        return self

    def __next__(self) -> Any:
        return next(self._iterator)

    def close(self) -> None:
        if hasattr(self._body, "close"):
            self._body.close()


def wrap(app: Any) -> Any:
    def wrapped(environ: Any, start_response: Any) -> _Body:
        def respond(status: Any, headers: Any, exc_info: Any = None) -> Any:
            return start_response(status, headers, exc_info)

        return _Body(app(environ, respond))

    return wrapped


def recorded() -> int:
    return 0
