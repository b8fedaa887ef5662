# SPDX-License-Identifier: Apache-2.0
"""Our bytes as a real OTLP server decodes them: rotel (Rust) prints every point it was sent."""

from __future__ import annotations

import importlib.util
import os
import re

import pytest

from wsgiapm import otlp
from wsgiapm.aggregate.histogram import OVERFLOW, nanoseconds
from wsgiapm.aggregate.snapshot import ExplicitHistogramPoint, Family, HistogramPoint, NumberPoint, Snapshot
from wsgiapm.exporters.otlp import encode_metrics
from wsgiapm.uploader import Outcome, Uploader

START, NOW = 1_700_000_000_000_000_000, 1_700_000_010_000_000_000
ROUTE = (("http.response.status_code", 200), ("http.route", "/walks/<int:pk>/"))
CELLS = ((953, 1), (nanoseconds(0.005), 30), (nanoseconds(1.0), 200), (OVERFLOW, 4))
FAMILIES = (
    Family("wsgiapm.apdex.requests", "{request}", "Requests", "sum", (NumberPoint(ROUTE, 2**53 + 1),)),
    Family("http.server.active_requests", "{request}", "In flight", "updown", (NumberPoint((), -2),)),
    Family("wsgiapm.worker.memory", "By", "Resident", "gauge", (NumberPoint((("worker", 3),), 0.5),)),
    Family("http.server.request.duration", "s", "Took", "histogram", (HistogramPoint(ROUTE, 235, 151.5, CELLS),)),
    Family("basket", "", "Items", "histogram", (ExplicitHistogramPoint((), (1.0, 5.0), (2, 0, 3), 40.0),)),
)


@pytest.fixture
def rotel(process, free_port):
    """A running rotel that prints what it receives, and the address of its HTTP receiver."""
    found = importlib.util.find_spec("rotel")
    if found is None or found.origin is None:
        pytest.skip("rotel is not installed (`pip install rotel`; its binary needs x86-64 and glibc 2.34)")
    program = os.path.join(os.path.dirname(found.origin), "rotel-agent")
    http, grpc = free_port(), free_port()
    command = [
        program,
        "start",
        "--exporter",
        "blackhole",
        "--debug-log",
        "metrics",
        "--debug-log-verbosity",
        "detailed",
    ]
    command += ["--otlp-http-endpoint", f"127.0.0.1:{http}", "--otlp-grpc-endpoint", f"127.0.0.1:{grpc}"]
    running = process(command)
    running.wait_for_port(http)
    return running, f"http://127.0.0.1:{http}"


def sections(output):
    """Metric name to the lines printed about it."""
    parts = re.split(r"^Metric #\d+$", output, flags=re.MULTILINE)
    lines = [[line.strip() for line in part.splitlines()] for part in parts[1:]]
    return {next(line for line in part if line.startswith("-> Name: "))[9:]: part for part in lines}


def test_rotel_prints_what_the_snapshot_says(rotel):
    """Kinds, times, attributes, values, buckets: what arrives is what was counted."""
    running, address = rotel
    uploader = Uploader(address, token=lambda: "")
    resource = (("service.name", "shop"),)
    outcome = uploader.send(otlp.METRICS_PATH, encode_metrics(Snapshot(resource, START, NOW, FAMILIES)))
    uploader.close()
    assert outcome == Outcome("delivered", "", 200)
    running.wait_for_output(r"-> Name: basket[\s\S]*Buckets? #2")
    output = running.output()
    assert "-> service.name: Str(shop)" in output
    assert (
        f"ResourceMetrics SchemaURL: {otlp.SCHEMA_URL}" in output or f"Resource SchemaURL: {otlp.SCHEMA_URL}" in output
    )
    printed = sections(output)

    apdex = printed["wsgiapm.apdex.requests"]
    assert {"-> IsMonotonic: true", "-> AggregationTemporality: AGGREGATION_TEMPORALITY_CUMULATIVE"} <= {*apdex}
    assert {f"StartTimestamp: {START}", f"Timestamp: {NOW}", f"Value: {2**53 + 1}"} <= {*apdex}
    assert {"-> http.response.status_code: Int(200)", "-> http.route: Str(/walks/<int:pk>/)"} <= {*apdex}
    assert {"-> IsMonotonic: false", "Value: -2"} <= {*printed["http.server.active_requests"]}
    assert {"-> DataType: Gauge", "-> worker: Int(3)", "Value: 0.5"} <= {*printed["wsgiapm.worker.memory"]}

    duration = printed["http.server.request.duration"]
    assert {"-> DataType: ExponentialHistogram", f"StartTimestamp: {START}", "Count: 235", "Sum: 151.5"} <= {*duration}
    counts = [int(line.rpartition("Count: ")[2]) for line in duration if line.startswith("Bucket ")]
    assert [count for count in counts if count] == [1, 30, 200, 4]
    assert sum(counts) == 235

    basket = printed["basket"]
    assert {"-> DataType: Histogram", "Count: 5", "Sum: 40"} <= {*basket}
    assert {"ExplicitBounds #0: 1", "ExplicitBounds #1: 5"} <= {*basket}
    assert {"Buckets #0, Count: 2", "Buckets #1, Count: 0", "Buckets #2, Count: 3"} <= {*basket}
