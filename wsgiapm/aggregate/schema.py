# SPDX-License-Identifier: Apache-2.0
"""The metrics the agent itself keeps: their names, units, meaning and the cells each series has.

Names are those of the OpenTelemetry semantic conventions where there is one.
"""

from __future__ import annotations

from wsgiapm.aggregate.histogram import DB_BOUNDS, HTTP_BOUNDS
from wsgiapm.aggregate.layout import CALLS, COUNTER, HISTOGRAM, PARTS, TRANSACTIONS
from wsgiapm.aggregate.snapshot import Attributes
from wsgiapm.named_tuple import NamedTuple

REQUEST_DURATION = "http.server.request.duration"
REQUEST_PARTS = "wsgiapm.request.parts"
ACTIVE_REQUESTS = "http.server.active_requests"
APDEX_REQUESTS = "wsgiapm.apdex.requests"
APDEX_THRESHOLD = "wsgiapm.apdex.threshold"
QUEUE_TIME = "wsgiapm.queue.time"
COMPONENT_TIME = "wsgiapm.component.time"
DB_DURATION = "db.client.operation.duration"
STATEMENT_DURATION = "wsgiapm.db.statement.duration"
HTTP_CLIENT_DURATION = "http.client.request.duration"
CALLER = "wsgiapm.caller"
CALLER_CALLS = "wsgiapm.caller.calls"
CALLER_TIME = "wsgiapm.caller.time"
CALLER_REPETITIONS = "wsgiapm.caller.repetitions"
ABORTED_REQUESTS = "wsgiapm.aborted_requests"
TASK_DURATION = "wsgiapm.background_task.duration"
TASK_PARTS = "wsgiapm.background_task.parts"
TASK_QUEUE_TIME = "wsgiapm.background_task.queue.time"
ACTIVE_TASKS = "wsgiapm.active_tasks"
ABORTED_TASKS = "wsgiapm.aborted_tasks"
CLIENT_DISCONNECTS = "wsgiapm.client_disconnects"
STREAM_DURATION = "wsgiapm.stream.duration"
FIRST_BYTE_TIME = "wsgiapm.response.first_byte.time"
RESPONSE_SIZE = "wsgiapm.response.size"
WORKER_REQUESTS = "wsgiapm.worker.requests"
WORKER_MEMORY = "wsgiapm.worker.memory"
WORKER_CPU_TIME = "wsgiapm.worker.cpu.time"
WORKER_PID = "wsgiapm.worker.pid"
WORKER_UPTIME = "wsgiapm.worker.uptime"
WORKER_STATE = "wsgiapm.worker.state"
DROPPED = "wsgiapm.dropped"

METHOD = "http.request.method"
ROUTE = "http.route"
STATUS = "http.response.status_code"
ERROR = "error.type"
SCHEME = "url.scheme"
COMPONENT = "component"
TASK = "task"
OUTCOME = "outcome"
OPERATION = "wsgiapm.operation"
QUERY_TEXT = "db.query.text"

# From a second to nine hours: a stream lasts as long as a page is open.
STREAM_BOUNDS = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 32768.0)

# From a hundredth of a second to nine hours: what is done in the background may take its time, and wait for it.
TASK_BOUNDS = (0.01, 0.1, 0.5, 1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 32768.0)

OTHER = "(other)"
UNKNOWN = "(unknown)"
NOT_FOUND = "(not found)"
OTHER_METHOD = "_OTHER"

METHODS = (OTHER_METHOD, "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY")
METHOD_CODES = {method: code for code, method in enumerate(METHODS)}
SCHEMES = ("http", "https")
# What stands in the place of a method for what is no request, in a row and for people.
TASK_CODE = 255
TASK_METHOD = "TASK"
SUCCESS, FAILURE, RETRY = 1, 2, 3
OUTCOMES = {SUCCESS: "success", FAILURE: "failure", RETRY: "retry"}
"""How a background task ended, by what stands in the place of a status code."""
WORKER_STATES = ("starting", "serving", "stuck", "stopping", "ended")


class Metric(NamedTuple):
    """A metric whose series live in cells; `head` is how many cells precede the histogram."""

    unit: str
    kind: int
    head: int
    description: str
    bounds: tuple[float, ...] = ()


COMPONENTS = ("template", "db", "cache", "external", "messaging", "response")
PYTHON = "python"

# The head of a request's series: sums of the times up to the first byte and after it, sum of bytes. Requests that call
# something add their times to the parts instead, which are side by side: the same two, and how much of them was spent in each
# component but Python.
METRICS = {
    REQUEST_DURATION: Metric(
        "s", TRANSACTIONS, 3, "Duration of HTTP requests, from the call to the last byte.", HTTP_BOUNDS
    ),
    REQUEST_PARTS: Metric("s", PARTS, 2 + len(COMPONENTS), "Where the time of requests went that call something."),
    QUEUE_TIME: Metric("s", HISTOGRAM, 1, "Time between the front-end server and the worker.", HTTP_BOUNDS),
    STREAM_DURATION: Metric(
        "s", HISTOGRAM, 1, "How long event streams and upgraded connections lasted.", STREAM_BOUNDS
    ),
    CLIENT_DISCONNECTS: Metric(
        "{request}", COUNTER, 1, "Requests whose client went away before it had the whole response."
    ),
    DB_DURATION: Metric("s", HISTOGRAM, 1, "Duration of database operations.", DB_BOUNDS),
    HTTP_CLIENT_DURATION: Metric("s", HISTOGRAM, 1, "Duration of HTTP requests this app made.", HTTP_BOUNDS),
    CALLER: Metric("1", CALLS, 3, "Which operations the transactions of a route call."),
    ABORTED_REQUESTS: Metric("{request}", COUNTER, 1, "Requests that were running when their worker died."),
    TASK_DURATION: Metric("s", TRANSACTIONS, 3, "Duration of background tasks, by how they ended.", TASK_BOUNDS),
    TASK_PARTS: Metric("s", PARTS, 2 + len(COMPONENTS), "Where the time of tasks went that call something."),
    TASK_QUEUE_TIME: Metric("s", HISTOGRAM, 1, "Time between a task's being queued and its start.", TASK_BOUNDS),
    ABORTED_TASKS: Metric("{task}", COUNTER, 1, "Background tasks that were running when their process died."),
    DROPPED: Metric(
        "{item}",
        COUNTER,
        1,
        "Events that were not kept, and requests and calls counted under (other) for want of a series, by reason.",
    ),
}


def request_attributes(route: str, status: int | None, method: str, scheme: str, error: str | None) -> Attributes:
    """Return the attributes of a request's series; `error` is None when it went well."""
    values = {ERROR: error, METHOD: method, ROUTE: route, STATUS: status, SCHEME: scheme}
    return tuple(sorted((name, value) for name, value in values.items() if value is not None))


def task_attributes(task: str, status: int | None) -> Attributes:
    """Return the attributes of a background task's series; `status` is one of `OUTCOMES`."""
    return ((OUTCOME, OUTCOMES.get(status or 0, OUTCOMES[FAILURE])), (TASK, task))


def aborted_attributes(route: str, reason: str) -> Attributes:
    """Return the attributes of `wsgiapm.aborted_requests`."""
    return ((ROUTE, route), ("reason", reason))


def caller_attributes(scope: str, name: str, operation: str) -> Attributes:
    """Return the attributes of the calls of an operation that the transactions of a route make, or the runs of a task.

    `scope` is `ROUTE` or `TASK`.
    """
    return tuple(sorted([(scope, name), (OPERATION, operation)]))


def other_calls(metric: str) -> tuple[Attributes, Attributes]:
    """Return the attributes of calls that have no series of their own: of those that went well, and of those that failed."""
    name = _NAMES[metric]
    return tuple(sorted([(OPERATION, OTHER), (name, OTHER)])), tuple(
        sorted([(OPERATION, OTHER), (name, OTHER), (ERROR, "_OTHER")])
    )


def is_private(attribute: str) -> bool:
    """Tell whether an attribute of a call is our own, and not one of the public metric's."""
    return attribute == QUERY_TEXT or attribute.startswith("wsgiapm.")


# What the calls of each metric are named by.
_NAMES = {DB_DURATION: "db.operation.name", HTTP_CLIENT_DURATION: "server.address"}
CALL_METRICS = frozenset(_NAMES)


OTLP_ONLY = frozenset((STATEMENT_DURATION, CALLER_CALLS, CALLER_TIME, CALLER_REPETITIONS))
"""What Prometheus is not shown: each statement by itself would be a series of its own there."""


def is_not_detail(metric: str) -> bool:
    """Tell whether the series of a metric count against `max_series`; the others have a quota of their own, or go with one."""
    return metric not in CALL_METRICS and metric not in (CALLER, REQUEST_PARTS, TASK_PARTS)


OTHER_REQUESTS: Attributes = ((METHOD, OTHER_METHOD), (ROUTE, OTHER))
# Where the parts of the durations of a metric are.
PARTS_OF = {REQUEST_DURATION: REQUEST_PARTS, TASK_DURATION: TASK_PARTS}
OTHER_ERRORS: Attributes = ((ERROR, "_OTHER"), *OTHER_REQUESTS)
