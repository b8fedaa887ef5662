# SPDX-License-Identifier: Apache-2.0
"""An OTLP server that keeps what it is told, and may take its time."""

from __future__ import annotations

import gzip
import http.server
import threading

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest


class Stub(http.server.ThreadingHTTPServer):
    """Keeps the number of requests each upload tells of."""

    daemon_threads = True

    def __init__(self) -> None:
        self.totals: list[int] = []
        self.arrived = threading.Event()
        self.answers = threading.Event()
        self.answers.set()
        super().__init__(("127.0.0.1", 0), _Taking)

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Taking(http.server.BaseHTTPRequestHandler):
    server: Stub

    def do_POST(self) -> None:
        request = ExportMetricsServiceRequest()
        body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.arrived.set()
        self.server.answers.wait(60)
        if self.path == "/v1/metrics":
            request.ParseFromString(body)
            metrics = [m for r in request.resource_metrics for s in r.scope_metrics for m in s.metrics]
            durations = [m for m in metrics if m.name == "http.server.request.duration"]
            self.server.totals.append(sum(int(p.count) for m in durations for p in m.exponential_histogram.data_points))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Be quiet."""
