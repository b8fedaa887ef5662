# SPDX-License-Identifier: Apache-2.0
"""The Prometheus exporter: read by prometheus_client's parser and by promtool, its text says what the snapshot says."""

from __future__ import annotations

import shutil
import subprocess
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from wsgiapm.aggregate.histogram import HTTP_BOUNDS, OVERFLOW, nanoseconds, table
from wsgiapm.aggregate.snapshot import ExplicitHistogramPoint, Family, HistogramPoint, NumberPoint, Snapshot
from wsgiapm.exporters.prometheus import CONTENT_TYPE, render

UPPERS = (*table(300_000_000).uppers, OVERFLOW)
RESOURCE = (("service.instance.id", "5f0c"), ("service.name", "shop"))

GOLDEN = r"""# HELP target_info Target metadata
# TYPE target_info gauge
target_info{service_instance_id="5f0c",service_name="shop"} 1
# HELP http_server_request_duration_seconds Duration of HTTP server requests.
# TYPE http_server_request_duration_seconds histogram
http_server_request_duration_seconds_bucket{http_response_status_code="200",http_route="/a/",le="0.005"} 3
http_server_request_duration_seconds_bucket{http_response_status_code="200",http_route="/a/",le="1.0"} 3
http_server_request_duration_seconds_bucket{http_response_status_code="200",http_route="/a/",le="+Inf"} 5
http_server_request_duration_seconds_sum{http_response_status_code="200",http_route="/a/"} 200000.25
http_server_request_duration_seconds_count{http_response_status_code="200",http_route="/a/"} 5
http_server_request_duration_seconds_bucket{http_response_status_code="200",http_route="/b/%d",le="0.005"} 0
http_server_request_duration_seconds_bucket{http_response_status_code="200",http_route="/b/%d",le="1.0"} 7
http_server_request_duration_seconds_bucket{http_response_status_code="200",http_route="/b/%d",le="+Inf"} 7
http_server_request_duration_seconds_sum{http_response_status_code="200",http_route="/b/%d"} 6.5
http_server_request_duration_seconds_count{http_response_status_code="200",http_route="/b/%d"} 7
# HELP http_server_active_requests In flight
# TYPE http_server_active_requests gauge
http_server_active_requests 2
# HELP wsgiapm_apdex_requests_total A \\ and\na line
# TYPE wsgiapm_apdex_requests_total counter
wsgiapm_apdex_requests_total{http_route="/say \"hi\"\\\n"} 9007199254740993
# HELP wsgiapm_queue_time_seconds Waited
# TYPE wsgiapm_queue_time_seconds histogram
wsgiapm_queue_time_seconds_bucket{le="0.005"} 1
wsgiapm_queue_time_seconds_bucket{le="+Inf"} 1
wsgiapm_queue_time_seconds_sum 0.001
wsgiapm_queue_time_seconds_count 1
# HELP basket_size Items
# TYPE basket_size histogram
basket_size_bucket{shop="x",le="1.0"} 2
basket_size_bucket{shop="x",le="5.0"} 2
basket_size_bucket{shop="x",le="+Inf"} 5
basket_size_sum{shop="x"} 40.0
basket_size_count{shop="x"} 5
"""


def snapshot(*families, resource=RESOURCE):
    """A snapshot of these families."""
    return Snapshot(resource, 1, 2, families)


def durations(bounds=(0.005, 1.0)):
    """A family of two histograms, not sorted."""
    status = ("http.response.status_code", 200)
    slow = HistogramPoint((status, ("http.route", "/b/%d")), 7, 6.5, ((nanoseconds(1.0), 7),))
    fast = HistogramPoint((status, ("http.route", "/a/")), 5, 200_000.25, ((nanoseconds(0.005), 3), (OVERFLOW, 2)))
    description = "Duration of HTTP server requests."
    return Family("http.server.request.duration", "s", description, "histogram", (slow, fast), bounds)


def full_snapshot():
    """One family of every kind."""
    waited = HistogramPoint((), 1, 0.001, ((1_000_000, 1),))
    escaped = NumberPoint((("http.route", '/say "hi"\\\n'),), 2**53 + 1)
    baskets = ExplicitHistogramPoint((("shop", "x"),), (1.0, 5.0), (2, 0, 3), 40.0)
    return snapshot(
        durations(),
        Family("http.server.active_requests", "{request}", "In flight", "updown", (NumberPoint((), 2),)),
        Family("wsgiapm.apdex.requests", "{request}", "A \\ and\na line", "sum", (escaped,)),
        Family("wsgiapm.queue.time", "s", "Waited", "histogram", (waited,), (0.005,)),
        Family("basket_size", "", "Items", "histogram", (baskets,)),
        Family("empty", "", "Without points", "sum", ()),
    )


def parse(text):
    """Name to parsed family, by prometheus_client."""
    return {family.name: family for family in text_string_to_metric_families(text.decode())}


def test_the_text_is_exactly_this():
    """Families in their order, points sorted by label, everything escaped, a family without points left out."""
    assert render(full_snapshot()).decode() == GOLDEN
    assert CONTENT_TYPE == "text/plain; version=0.0.4; charset=utf-8"


def test_promtool_accepts_the_text():
    """Prometheus's own checker finds neither an error nor a matter of style."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    text = render(full_snapshot())
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


@settings(deadline=None)
@given(
    st.dictionaries(
        st.lists(st.tuples(st.text(), st.text() | st.integers()), max_size=3, unique_by=lambda pair: pair[0]).map(
            tuple
        ),
        st.floats() | st.integers(-(2**53), 2**53),
        min_size=1,
        max_size=4,
    )
)
def test_any_attribute_and_any_value_leave_the_text_readable(points):
    """Whatever stands in names and values, each point is one sample, with its value."""
    family = Family("x", "", "", "gauge", tuple(NumberPoint(attributes, value) for attributes, value in points.items()))
    samples = parse(render(snapshot(family)))["x"].samples
    assert sorted(repr(float(sample.value)) for sample in samples) == sorted(
        repr(float(value)) for value in points.values()
    )


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_label_value_is_read_back(value):
    """Any text comes back as it was."""
    family = Family("x", "", "", "gauge", (NumberPoint((("route", value),), 1),))
    [sample] = parse(render(snapshot(family)))["x"].samples
    assert sample.labels == {"route": value}


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(UPPERS), st.integers(1, 2**40)))
def test_buckets_are_cumulative_and_exact(counts):
    """Each bucket holds what took at most its bound, and the last one everything."""
    cells = tuple(sorted(counts.items()))
    point = HistogramPoint((), sum(counts.values()), 1.5, cells)
    samples = parse(render(snapshot(Family("h", "s", "", "histogram", (point,), HTTP_BOUNDS))))["h_seconds"].samples
    shown = {float(sample.labels["le"]): sample.value for sample in samples if sample.name == "h_seconds_bucket"}
    assert shown == {
        bound: sum(count for upper, count in cells if bound == inf or upper <= nanoseconds(bound))
        for bound in (*HTTP_BOUNDS, inf)
    }
    assert [sample.value for sample in samples if sample.name == "h_seconds_count"] == [shown[inf]]


def test_undecodable_bytes_become_question_marks():
    """A lone surrogate does not make the whole text unreadable."""
    family = Family("x", "", "", "gauge", (NumberPoint((("route", "/caf\udce9"),), 1),))
    assert b'x{route="/caf?"} 1\n' in render(snapshot(family))


def test_attributes_with_the_same_label_share_it():
    """When two attributes become one label, their values are joined by a semicolon, in the order of their names."""
    point = NumberPoint((("a.b", "1"), ("a.c", "2"), ("a_b", "3")), 1)
    assert b'x{a_b="1;3",a_c="2"} 1\n' in render(snapshot(Family("x", "", "", "gauge", (point,))))


def test_a_second_family_of_the_same_name_is_named_and_left_out():
    """Two families cannot have one name: the text stays valid, and says what is missing and why."""
    one = (NumberPoint((), 1),)
    text = render(
        snapshot(
            Family("a.b", "", "", "gauge", one),
            Family("a_b", "", "", "gauge", one),
            Family("h", "", "", "histogram", (ExplicitHistogramPoint((), (), (1,), 1.0),)),
            Family("h.count", "", "", "gauge", one),
        )
    )
    assert b"# wsgiapm: 'a_b' is left out: 'a.b' has its Prometheus name a_b\n" in text
    assert b"# wsgiapm: 'h.count' is left out: 'h' has its Prometheus name h_count\n" in text
    assert sorted(parse(text)) == ["a_b", "h", "target_info"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(inf, "+Inf"), (-inf, "-Inf"), (float("nan"), "NaN"), (1e-7, "1e-07"), (10**30, "1" + "0" * 30), (0.1, "0.1")],
)
def test_numbers(value, expected):
    """Integers are written in full, floats with all their digits, the infinite ones as Prometheus writes them."""
    assert f"x {expected}\n".encode() in render(snapshot(Family("x", "", "", "gauge", (NumberPoint((), value),))))


def test_rendering_is_repeatable():
    """The order of the points does not depend on the order they were given in."""
    family = durations()
    turned = family._replace(points=family.points[::-1])
    assert render(snapshot(turned)) == render(snapshot(family))
