# SPDX-License-Identifier: Apache-2.0
"""Prometheus names: those of the documentation's table, and the corners of the rule."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsgiapm.exporters.names import label_name, metric_name

DOCUMENTED = [
    ("http.server.request.duration", "s", "histogram", "http_server_request_duration_seconds"),
    ("http.server.active_requests", "{request}", "updown", "http_server_active_requests"),
    ("wsgiapm.apdex.requests", "{request}", "sum", "wsgiapm_apdex_requests_total"),
    ("wsgiapm.component.time", "s", "sum", "wsgiapm_component_time_seconds_total"),
    ("wsgiapm.queue.time", "s", "histogram", "wsgiapm_queue_time_seconds"),
    ("wsgiapm.exceptions", "{exception}", "sum", "wsgiapm_exceptions_total"),
    ("wsgiapm.aborted_requests", "{request}", "sum", "wsgiapm_aborted_requests_total"),
    ("wsgiapm.background_task.duration", "s", "histogram", "wsgiapm_background_task_duration_seconds"),
    ("db.client.operation.duration", "s", "histogram", "db_client_operation_duration_seconds"),
    ("http.client.request.duration", "s", "histogram", "http_client_request_duration_seconds"),
    ("wsgiapm.worker.requests", "{request}", "sum", "wsgiapm_worker_requests_total"),
    ("wsgiapm.worker.memory", "By", "gauge", "wsgiapm_worker_memory_bytes"),
    ("wsgiapm.worker.cpu.time", "s", "sum", "wsgiapm_worker_cpu_time_seconds_total"),
    ("wsgiapm.dropped", "{item}", "sum", "wsgiapm_dropped_total"),
]

CORNERS = [
    ("busy", "1", "gauge", "busy_ratio"),
    ("busy.ratio", "1", "gauge", "busy_ratio"),
    ("done", "1", "sum", "done_total"),
    ("depth", "1", "updown", "depth"),
    ("orders_total", "", "sum", "orders_total"),
    ("total.orders", "", "sum", "orders_total"),
    ("wait.seconds", "s", "gauge", "wait_seconds"),
    ("io", "By/s", "gauge", "io_bytes_per_second"),
    ("rate", "{request}/min", "gauge", "rate_per_minute"),
    ("disk", "%", "gauge", "disk_percent"),
    ("jobs", "widgets", "gauge", "jobs_widgets"),
    ("2xx", "", "sum", "_2xx_total"),
    ("a--b..c:d", "", "gauge", "a_b_c_d"),
    ("größe", "", "gauge", "gr_e"),
    ("…", "", "gauge", "_"),
]


@pytest.mark.parametrize(("name", "unit", "kind", "expected"), DOCUMENTED + CORNERS)
def test_metric_name(name, unit, kind, expected):
    """The name of a metric follows from its OTLP name, unit and kind."""
    assert metric_name(name, unit, kind) == expected


@settings(deadline=None)
@given(st.text(), st.text(), st.sampled_from(["sum", "updown", "gauge", "histogram"]))
def test_any_name_becomes_a_valid_one(name, unit, kind):
    """Whatever a metric is called, Prometheus takes the name."""
    assert re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", metric_name(name, unit, kind))


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ("http.route", "http_route"),
        ("worker", "worker"),
        ("already__fine", "already__fine"),
        ("__reserved__", "_reserved_"),
        ("2nd", "key_2nd"),
        ("le", "exported_le"),
        ("", "_"),
    ],
)
def test_label_name(attribute, expected):
    """A valid label stays as it is; another loses what Prometheus would refuse."""
    assert label_name(attribute) == expected


@settings(deadline=None)
@given(st.text())
def test_any_attribute_becomes_a_valid_label(attribute):
    """Whatever an attribute is called, Prometheus takes the label, and it is not one of Prometheus's own."""
    assert re.fullmatch("(?!__)[a-zA-Z_][a-zA-Z0-9_]*", label_name(attribute))
