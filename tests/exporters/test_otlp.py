# SPDX-License-Identifier: Apache-2.0
"""The OTLP exporter: its bytes, as `opentelemetry-proto` parses them, say exactly what the snapshot says."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from wsgiapm import otlp
from wsgiapm.aggregate.histogram import OVERFLOW, SCALE, ZERO_UPPER, table
from wsgiapm.aggregate.snapshot import ExplicitHistogramPoint, Family, HistogramPoint, NumberPoint, Snapshot
from wsgiapm.exporters.otlp import MAX_BUCKETS, encode_metrics, fitted
from wsgiapm.version import VERSION

START, NOW = 1_700_000_000_000_000_000, 1_700_000_010_000_000_000
UPPERS = (*table(300_000_000).uppers, OVERFLOW)
OVERFLOW_BUCKET = 17 * 8

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
COUNTS = st.integers(0, 2**40)
FLOATS = st.floats(allow_nan=False)
ATTRIBUTES = st.dictionaries(TEXT, TEXT | st.integers(-(2**63), 2**63 - 1), max_size=4).map(
    lambda pairs: tuple(sorted(pairs.items()))
)
CELLS = st.dictionaries(st.sampled_from(UPPERS), st.integers(1, 2**40)).map(lambda cells: tuple(sorted(cells.items())))
NUMBERS = st.builds(NumberPoint, ATTRIBUTES, st.integers(-(2**63), 2**63 - 1) | FLOATS)
HISTOGRAMS = st.builds(
    lambda attributes, total, cells: HistogramPoint(attributes, sum(count for _, count in cells), total, cells),
    ATTRIBUTES,
    FLOATS,
    CELLS,
)


@st.composite
def explicit_histograms(draw):
    """A histogram with bounds of its own."""
    bounds = tuple(sorted(draw(st.sets(st.floats(allow_nan=False, allow_infinity=False), max_size=5))))
    counts = draw(st.lists(COUNTS, min_size=len(bounds) + 1, max_size=len(bounds) + 1))
    return ExplicitHistogramPoint(draw(ATTRIBUTES), bounds, tuple(counts), draw(FLOATS))


def families(kind, points):
    """Families of one kind, with one to four points."""
    points = st.lists(points, min_size=1, max_size=4).map(tuple)
    return st.builds(Family, TEXT, TEXT, TEXT, st.sampled_from(kind), points, st.just((0.1, 1.0)))


SNAPSHOTS = st.builds(
    Snapshot,
    ATTRIBUTES,
    st.just(START),
    st.just(NOW),
    st.lists(
        families(["sum", "updown", "gauge"], NUMBERS)
        | families(["histogram"], HISTOGRAMS)
        | families(["histogram"], explicit_histograms()),
        max_size=5,
    ).map(tuple),
)


def parse(snapshot):
    """What protobuf reads out of our bytes."""
    return ExportMetricsServiceRequest.FromString(encode_metrics(snapshot))


def key_values(attributes):
    """The attributes as protobuf's own messages."""
    return [
        KeyValue(key=name, value=AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value))
        for name, value in attributes
    ]


def exact_bucket(upper, scale):
    """The exponential bucket a cell lies in, by integer arithmetic: base**index < upper <= base**(index + 1)."""
    if upper == OVERFLOW:
        return OVERFLOW_BUCKET >> (SCALE - scale)
    index = -20 * 8
    while upper**8 << 400 > 10**72 << (index + 1 + 400):
        index += 1
    return index >> (SCALE - scale)


def expected_number(point, start):
    """The NumberDataPoint of a point."""
    value = {"as_int": point.value} if isinstance(point.value, int) else {"as_double": point.value}
    return pb.NumberDataPoint(
        attributes=key_values(point.attributes), start_time_unix_nano=start, time_unix_nano=NOW, **value
    )


def expected_explicit(point):
    """The HistogramDataPoint of a point."""
    return pb.HistogramDataPoint(
        attributes=key_values(point.attributes),
        start_time_unix_nano=START,
        time_unix_nano=NOW,
        count=sum(point.counts),
        sum=point.sum,
        bucket_counts=point.counts,
        explicit_bounds=point.bounds,
    )


def expected_exponential(point):
    """The ExponentialHistogramDataPoint of a point."""
    histogram = fitted(point.cells)
    return pb.ExponentialHistogramDataPoint(
        attributes=key_values(point.attributes),
        start_time_unix_nano=START,
        time_unix_nano=NOW,
        count=point.count,
        sum=point.sum,
        scale=histogram.scale,
        zero_count=histogram.zero_count,
        zero_threshold=2.0**-20,
        positive=pb.ExponentialHistogramDataPoint.Buckets(offset=histogram.offset, bucket_counts=histogram.counts),
    )


def expected_metric(family):
    """The Metric of a family."""
    cumulative = pb.AGGREGATION_TEMPORALITY_CUMULATIVE
    if family.kind == "gauge":
        data = {"gauge": pb.Gauge(data_points=[expected_number(point, 0) for point in family.points])}
    elif family.kind != "histogram":
        points = [expected_number(point, START) for point in family.points]
        monotonic = family.kind == "sum"
        data = {"sum": pb.Sum(data_points=points, aggregation_temporality=cumulative, is_monotonic=monotonic)}
    elif isinstance(family.points[0], HistogramPoint):
        points = [expected_exponential(point) for point in family.points]
        histogram = pb.ExponentialHistogram(data_points=points, aggregation_temporality=cumulative)
        data = {"exponential_histogram": histogram}
    else:
        points = [expected_explicit(point) for point in family.points]
        data = {"histogram": pb.Histogram(data_points=points, aggregation_temporality=cumulative)}
    return pb.Metric(name=family.name, description=family.description, unit=family.unit, **data)


@settings(deadline=None)
@given(SNAPSHOTS)
def test_protobuf_reads_every_field_as_it_is_in_the_snapshot(snapshot):
    """The whole request, built with protobuf's own classes from the same snapshot, is equal to the parsed one."""
    expected = ExportMetricsServiceRequest(
        resource_metrics=[
            pb.ResourceMetrics(
                resource=Resource(attributes=key_values(snapshot.resource)),
                schema_url=otlp.SCHEMA_URL,
                scope_metrics=[
                    pb.ScopeMetrics(
                        scope=InstrumentationScope(name="wsgiapm", version=VERSION),
                        schema_url=otlp.SCHEMA_URL,
                        metrics=[expected_metric(family) for family in snapshot.families],
                    )
                ],
            )
        ]
    )
    assert parse(snapshot) == expected


@settings(deadline=None)
@given(CELLS)
def test_every_count_stays_in_its_bucket(cells):
    """Each cell's count lies in the exponential bucket that contains the cell, also after the scale was lowered."""
    histogram = fitted(cells)
    expected: dict[int, int] = {}
    for upper, count in cells:
        if upper > ZERO_UPPER:
            bucket = exact_bucket(upper, histogram.scale)
            expected[bucket] = expected.get(bucket, 0) + count
    assert {histogram.offset + i: count for i, count in enumerate(histogram.counts) if count} == expected
    assert histogram.zero_count == sum(count for upper, count in cells if upper <= ZERO_UPPER)
    assert len(histogram.counts) <= MAX_BUCKETS


def test_a_wide_histogram_loses_scale_and_no_count():
    """From a microsecond to beyond the last bound are 297 buckets of scale 3: one step down makes them fit."""
    cells = tuple((upper, 1) for upper in UPPERS)
    histogram = fitted(cells)
    assert histogram.scale == SCALE - 1
    assert histogram.zero_count + sum(histogram.counts) == len(UPPERS)


def test_a_narrow_histogram_keeps_its_scale():
    """160 buckets are sent as they are."""
    octaves = table(300_000_000).uppers
    cells = tuple((upper, 1) for upper in octaves if 1_000_000 <= upper < 900_000_000)
    assert fitted(cells).scale == SCALE


def test_what_overflowed_is_counted_behind_the_last_bound():
    """Durations beyond 2**17 s stand in the bucket that begins there, so the buckets add up to the count."""
    point = HistogramPoint((), 5, 400_000.0, ((1_000_000, 3), (OVERFLOW, 2)))
    parsed = parse(Snapshot((), START, NOW, (Family("h", "s", "", "histogram", (point,)),)))
    sent = parsed.resource_metrics[0].scope_metrics[0].metrics[0].exponential_histogram.data_points[0]
    last = sent.positive.offset + len(sent.positive.bucket_counts) - 1
    assert 2.0 ** (last / 2.0**sent.scale) <= 2.0**17
    assert sent.positive.bucket_counts[-1] == 2
    assert sum(sent.positive.bucket_counts) + sent.zero_count == sent.count == 5


def test_an_empty_histogram_and_an_empty_family_are_told_apart():
    """A histogram without observations is sent with a count of zero; a family without points is not sent."""
    empty = HistogramPoint((), 0, 0.0, ())
    given_families = (Family("h", "s", "", "histogram", (empty,)), Family("n", "", "", "sum", ()))
    metrics = parse(Snapshot((), START, NOW, given_families)).resource_metrics[0].scope_metrics[0].metrics
    assert [metric.name for metric in metrics] == ["h"]
    point = metrics[0].exponential_histogram.data_points[0]
    assert (point.count, point.HasField("sum"), point.sum) == (0, True, 0.0)
