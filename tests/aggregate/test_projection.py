# SPDX-License-Identifier: Apache-2.0
"""Projections: every number people know, from the same cells, so that no two can disagree."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.aggregate.counting import (
    APDEX_T,
    MILLISECOND,
    SHOP,
    begin_patiently,
    by_route,
    by_status,
    family,
    finish,
    histograms,
    no_free_row,
    record,
    recorder_at,
    started,
)
from wsgiapm.aggregate import schema
from wsgiapm.aggregate.histogram import HTTP_BOUNDS, classic, exponential
from wsgiapm.aggregate.instance import alone, join
from wsgiapm.aggregate.merge import merge, take_snapshot
from wsgiapm.aggregate.resource import Resource
from wsgiapm.recorder import Recorder

requests = st.lists(
    st.tuples(
        st.sampled_from(["/a", "/b", "/c"]),
        st.integers(0, 10**10) | st.sampled_from([APDEX_T, APDEX_T + 1, 4 * APDEX_T, 4 * APDEX_T + 1]),
        st.sampled_from([200, 404, 500, 503, None]),
    ),
    max_size=40,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
@given(requests)
def test_all_projections_agree(sample):
    """Count, statuses, errors, Apdex zones and both histograms all add up to what was sent, route by route."""
    instance = begin_patiently(alone(SHOP, 2**20))
    recorder = Recorder(instance, max_series=100, error_status=((500, 599),))
    for route, duration, status in sample:
        record(recorder, route, duration, status)
    snapshot = take_snapshot(instance, Resource())
    zones = family(snapshot, schema.APDEX_REQUESTS)
    total = len(sample)

    assert by_route(snapshot).total() == by_status(snapshot).total() == sum(zones.values()) == total
    assert sum(family(snapshot, schema.WORKER_REQUESTS).values()) == total
    for point in histograms(snapshot):
        found = exponential(point.cells)
        assert classic(point.cells, HTTP_BOUNDS)[-1] == found.zero_count + sum(found.counts) == point.count
    errors = [(r, d, s) for r, d, s in sample if s is not None and s >= 500]
    assert sum(p.count for p in histograms(snapshot) if schema.ERROR in dict(p.attributes)) == len(errors)
    sample = [("(not found)" if s == 404 else r, d, s) for r, d, s in sample]
    for route in {r for r, _, _ in sample}:
        mine = [(d, s is not None and s >= 500) for r, d, s in sample if r == route]
        expected = {
            "satisfied": sum(not failed and d <= APDEX_T for d, failed in mine),
            "tolerating": sum(not failed and APDEX_T < d <= 4 * APDEX_T for d, failed in mine),
            "frustrated": sum(failed or d > 4 * APDEX_T for d, failed in mine),
        }
        here = {dict(a)["zone"]: n for a, n in zones.items() if dict(a)[schema.ROUTE] == route}
        assert here == {zone: n for zone, n in expected.items() if n}
    assert sum(p.sum for p in histograms(snapshot)) == pytest.approx(sum(d for _, d, _ in sample) / 1e9)
    instance.close()


def test_each_request_counts_by_its_own_threshold(shared):
    """After a change of the Apdex T old requests stay in the zones of the old one; the threshold shown is in use."""
    for apdex_t in (APDEX_T, APDEX_T // 5):
        instance = join(shared, SHOP)
        instance.begin(apdex_t)
        record(Recorder(instance, max_series=10, error_status=()), duration=APDEX_T // 2)
        instance.close()
    zones = family(merge(shared), schema.APDEX_REQUESTS)

    assert {dict(a)["zone"]: n for a, n in zones.items()} == {"satisfied": 1, "tolerating": 1}
    assert family(merge(shared), schema.APDEX_THRESHOLD) == {(): 0.1}
    (point,) = histograms(merge(shared))
    assert point.count == 2


def test_an_exception_is_an_error_whatever_the_status(shared):
    """What the app raised is in error.type, and its requests are frustrated."""
    recorder = recorder_at(shared)
    transaction = started(recorder)
    transaction.error = "shop.models.SoldOut"
    finish(recorder, transaction, status=200)
    (point,) = histograms(merge(shared))

    assert dict(point.attributes)[schema.ERROR] == "shop.models.SoldOut"
    assert [dict(a)["zone"] for a in family(merge(shared), schema.APDEX_REQUESTS)] == ["frustrated"]
    recorder.instance.close()


def test_bytes_and_first_byte_times_are_summed_by_route(shared):
    """Over all statuses and workers."""
    recorders = [recorder_at(shared), recorder_at(shared)]
    for recorder, status in zip(recorders, (200, 500), strict=True):
        transaction = started(recorder, "/download")
        transaction.size = 1000
        transaction.first_byte = 2 * MILLISECOND
        finish(recorder, transaction, 5 * MILLISECOND, status=status)
    snapshot = merge(shared)

    assert family(snapshot, schema.RESPONSE_SIZE) == {((schema.ROUTE, "/download"),): 2000}
    assert family(snapshot, schema.FIRST_BYTE_TIME) == {((schema.ROUTE, "/download"),): 0.004}
    assert sum(point.sum for point in histograms(snapshot)) == pytest.approx(0.010)
    for recorder in recorders:
        recorder.instance.close()


def test_requests_in_flight_are_told_by_method(shared):
    """Those without a row are counted as well, with a method that is not known."""
    recorder = recorder_at(shared)
    started(recorder, method="POST", scheme="https")
    with no_free_row(recorder):
        started(recorder, method="POST")
    active = family(merge(shared), schema.ACTIVE_REQUESTS)

    assert {key: n for key, n in active.items() if n} == {
        ((schema.METHOD, "POST"), (schema.SCHEME, "https")): 1,
        ((schema.METHOD, schema.OTHER_METHOD), (schema.SCHEME, "http")): 1,
    }
    recorder.instance.close()


def test_a_method_with_nothing_in_flight_reports_zero(shared):
    """A gauge that vanished would stay at its last value in back ends: also after the first PUT, and one that was aborted."""
    recorder = recorder_at(shared)
    running = started(recorder, method="PUT", scheme="https")
    started(recorder, method="DELETE")
    put = ((schema.METHOD, "PUT"), (schema.SCHEME, "https"))
    delete = ((schema.METHOD, "DELETE"), (schema.SCHEME, "http"))
    before = family(merge(shared), schema.ACTIVE_REQUESTS)
    assert (before[put], before[delete]) == (1, 1)
    finish(recorder, running)
    recorder.instance.close()
    after = family(merge(shared), schema.ACTIVE_REQUESTS)

    assert (after[put], after[delete]) == (0, 0)
    assert set(before) <= set(after)


def test_the_threshold_is_that_in_force(shared):
    """Of who has begun to count last, also when T went back to one that had been in use before; the dead count last."""
    for apdex_t in (APDEX_T, APDEX_T // 5, APDEX_T):
        instance = begin_patiently(join(shared, SHOP), apdex_t)
        assert family(merge(shared), schema.APDEX_THRESHOLD) == {(): apdex_t / 1e9}
        instance.close()
        assert family(merge(shared), schema.APDEX_THRESHOLD) == {(): apdex_t / 1e9}


def test_points_are_sorted_and_without_duplicates(shared):
    """No family has two points with the same attributes: exporters and servers rely on it."""
    recorder = recorder_at(shared)
    for number in range(30):
        record(recorder, f"/{number % 7}", status=(200, 404, 500)[number % 3])
    for one in merge(shared).families:
        attributes = [point.attributes for point in one.points]
        assert len(set(attributes)) == len(attributes)
        assert all(list(a) == sorted(a) for a in attributes)
    recorder.instance.close()
