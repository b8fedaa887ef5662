# SPDX-License-Identifier: Apache-2.0
"""The labels of a request: what the series it is counted in is called by, and whether it was an error."""

from __future__ import annotations

from collections.abc import Iterable

from wsgiapm.aggregate import schema
from wsgiapm.aggregate.snapshot import Attributes


class Labels:
    """Labels by the app's own idea of which statuses are errors."""

    def __init__(self, error_status: Iterable[tuple[int, int]]) -> None:
        """`error_status` are ranges, both ends included."""
        self._error_status = tuple(error_status)

    def error(self, status: int | None, error: str | None) -> str | None:
        """Return the `error.type` of a request, None when it went well; `error` is that of an exception."""
        is_error = status is not None and any(low <= status <= high for low, high in self._error_status)
        return str(status) if error is None and is_error else error

    def series(self, name: str, status: int | None, method: int, error: str | None) -> tuple[str, Attributes]:
        """Return the metric a transaction is counted in, and its attributes; `method` as `places` made it."""
        if method >> 8 & 0xFF == schema.TASK_CODE:
            return schema.TASK_DURATION, schema.task_attributes(name.encode(errors="replace").decode(), status)
        return schema.REQUEST_DURATION, self.of(name, status, method, error)

    def other(self, name: str, status: int | None, method: int, error: str | None) -> tuple[str, Attributes]:
        """Return the same for a transaction that has no series of its own, as it was reserved for all of them."""
        metric, attributes = self.series(name, status, method, error)
        if metric == schema.TASK_DURATION:
            return metric, schema.task_attributes(schema.OTHER, status)
        failed = any(label == schema.ERROR for label, _ in attributes)
        return metric, schema.OTHER_ERRORS if failed else schema.OTHER_REQUESTS

    def of(self, name: str, status: int | None, method: int, error: str | None) -> Attributes:
        """Return the attributes; `method` as `places.method_and_scheme` made it."""
        verb, scheme = schema.METHODS[method >> 8 & 0xFF], schema.SCHEMES[method >> 4 & 1]
        name = name.encode(errors="replace").decode()  # a lone surrogate would stop every exporter
        return schema.request_attributes(name, status, verb, scheme, self.error(status, error))
