# SPDX-License-Identifier: Apache-2.0
"""What the agent's own exporter sends is stored bucket by bucket as the agent counted it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.collector.messages import DURATION
from wsgiapm.aggregate.histogram import EXPONENTIAL_BOUNDS, OVERFLOW, ZERO_UPPER
from wsgiapm.aggregate.snapshot import Family, HistogramPoint, NumberPoint, Snapshot
from wsgiapm.collector import message
from wsgiapm.collector.ingest import ingest
from wsgiapm.exporters.otlp import encode_metrics
from wsgiapm.store.buckets import ZERO, coarsen
from wsgiapm.store.model import Selection
from wsgiapm.store.sqlite import SqliteStore

T = 1_800_000_000
RESOURCE = (("deployment.environment.name", "prod"), ("service.instance.id", "uid"), ("service.name", "shop"))
UPPERS = (ZERO_UPPER, *EXPONENTIAL_BOUNDS[1:], OVERFLOW)


def send(store, time, cells):
    """Export a histogram of {upper bound in ns: count} and a counter, and ingest them."""
    n = sum(cells.values())
    attributes = (("http.request.method", "GET"), ("http.response.status_code", 200), ("http.route", "/x/"))
    point = HistogramPoint(attributes, n, n * 0.1, tuple(sorted(cells.items())))
    families = (
        Family(DURATION, "s", "", "histogram", (point,) if n else ()),
        Family("wsgiapm.apdex.requests", "{request}", "", "sum", (NumberPoint((("zone", "satisfied"),), n),)),
    )
    body = encode_metrics(Snapshot(RESOURCE, (T - 5) * 10**9, time * 10**9, families))
    request = message.decode(body, message.PROTOBUF, ExportMetricsServiceRequest)
    assert ingest(store, request, time * 10**9).count == 0


@given(st.lists(st.dictionaries(st.sampled_from(UPPERS), st.integers(1, 10**6), max_size=30), min_size=1, max_size=4))
def test_cells_arrive_as_they_were_counted(tmp_path_factory, steps):
    """Over several reports, zero and overflow included; when the range grows too wide, in a coarser scale."""
    store = SqliteStore(str(tmp_path_factory.mktemp("agent") / "x.db"), 30 * 86400)
    cells = {}
    for i, more in enumerate(steps):
        for upper, n in more.items():
            cells[upper] = cells.get(upper, 0) + n
        send(store, T + 10 * i, cells)

    with store.reading() as reader:
        rows = reader.cells(Selection(1, DURATION, None, 10, 0, 1 << 40), step=0, by_series=False)
        amounts = reader.amounts(Selection(1, "wsgiapm.apdex.requests", None, 10, 0, 1 << 40), step=0, by_series=False)
    store.close()

    assert sum(row.n for row in rows) == sum(cells.values()) == sum(amount.total for amount in amounts)
    expected = {}
    for upper, n in cells.items():
        expected[_bucket(upper)] = expected.get(_bucket(upper), 0) + n
    found = {row.bucket: row.n for row in rows}
    assert any(_coarsened(found, scale) == _coarsened(expected, scale) for scale in (3, 2, 1))


def _bucket(upper):
    """The store's bucket of a cell: the exponential bounds begin at 2^-20 s, bucket -160."""
    if upper == ZERO_UPPER:
        return ZERO
    place = UPPERS.index(upper)
    return -161 + place


def _coarsened(cells, scale):
    found = {}
    for bucket, n in cells.items():
        found[coarsen(bucket, scale)] = found.get(coarsen(bucket, scale), 0) + n
    return found
