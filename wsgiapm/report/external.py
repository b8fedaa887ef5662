# SPDX-License-Identifier: Apache-2.0
"""GET /api/v1/external: which servers an app sends HTTP requests to, and how they answer; who takes most time first."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from wsgiapm.operation_digest import digest
from wsgiapm.report.callers import read_callers, share_out
from wsgiapm.report.calls import Calls
from wsgiapm.report.question import Question
from wsgiapm.store.model import HTTP_CLIENT_DURATION, Attributes

_METHOD, _ADDRESS, _PORT = "http.request.method", "server.address", "server.port"
_STATUS, _ERROR = "http.response.status_code", "error.type"

# Method, address, port, status.
_Target = tuple[str | int | None, ...]


def list_requests(question: Question) -> dict[str, Any]:
    """Return the requests of the window; a status of 400 or more is an error, as is none at all."""
    details = question.details()
    requests: defaultdict[_Target, Calls] = defaultdict(Calls)
    calls: defaultdict[_Target, Counter[str]] = defaultdict(Counter)
    all_calls: Counter[str] = Counter()
    for attributes, amount in details.amounts(HTTP_CLIENT_DURATION):
        target, operation = _target_of(attributes), _operation_of(attributes)
        requests[target].add(amount, attributes)
        calls[target][operation] += amount.n
        all_calls[operation] += amount.n
    for attributes, cells in details.cells(HTTP_CLIENT_DURATION):
        requests[_target_of(attributes)].add_cells(cells)
    callers = read_callers(details)
    return {
        "operations": [
            {
                **_show(target),
                **requests[target].show(),
                "callers": share_out(callers, calls[target].items(), all_calls).show(),
            }
            for target in sorted(requests, key=lambda target: (-requests[target].nanoseconds, str(target)))
        ]
    }


def _target_of(attributes: Attributes) -> _Target:
    return tuple(attributes.get(name) for name in (_METHOD, _ADDRESS, _PORT, _STATUS))


def _operation_of(attributes: Attributes) -> str:
    """Return what callers know a request by, which is made of what it is counted under."""
    return digest(
        HTTP_CLIENT_DURATION, tuple(sorted((name, value) for name, value in attributes.items() if name != _ERROR))
    )


def _show(target: _Target) -> dict[str, Any]:
    method, address, port, status = target
    return {
        "system": "http",
        "operation": method,
        "namespace": None,
        "collection": None,
        "server_address": address,
        "server_port": port,
        "status": status,
    }
