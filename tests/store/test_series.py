# SPDX-License-Identifier: Apache-2.0
"""The identity of series and of their totals."""

from __future__ import annotations

import pytest

from wsgiapm.store.model import Series
from wsgiapm.store.series import as_json, scope_of, series_key, total_of

SERIES = Series("m", "sum", "1", "/x/", '{"http.route":"/x/","status":200}')


def test_series_that_differ_in_anything_have_other_keys():
    """Metric, kind, unit, scope, attributes, total or not; a key is a positive 64-bit integer."""
    others = {"metric": "n", "kind": "gauge", "unit": "s", "scope": "", "attributes": "{}", "is_total": True}

    keys = {series_key(SERIES), *(series_key(SERIES._replace(**{name: value})) for name, value in others.items())}

    assert len(keys) == 7
    assert all(0 <= key < 2**63 for key in keys)


def test_keys_stay_as_they_are():
    """They are in databases; half a surrogate pair has one, too."""
    assert series_key(SERIES) == 2120660249841628882
    assert series_key(SERIES._replace(scope="\ud800")) != series_key(SERIES)


@pytest.mark.parametrize(
    ("attributes", "scope"),
    [({"http.route": "/x/", "a": 1}, "/x/"), ({"task": "send"}, "send"), ({"a": "/x/"}, ""), ({}, "")],
)
def test_the_scope_is_the_transaction(attributes, scope):
    """A route or a task."""
    assert scope_of(attributes) == scope


def test_a_total_is_the_same_for_what_differs_in_the_transaction():
    """And another for what differs in anything else."""
    total = total_of(SERIES)

    assert total == Series("m", "sum", "1", "", '{"status":200}', is_total=True)
    assert total_of(SERIES._replace(scope="/y/", attributes='{"http.route":"/y/","status":200}')) == total
    assert total_of(SERIES._replace(attributes='{"http.route":"/x/","status":404}')) != total
    assert total_of(SERIES._replace(unit="s")) != total


def test_some_have_no_total():
    """What belongs to no transaction is the whole already, gauges are not added, and background tasks are no requests."""
    assert total_of(SERIES._replace(scope="mail", attributes='{"component":"db","task":"mail"}')) is None
    assert total_of(SERIES._replace(scope="", attributes="{}")) is None
    assert total_of(SERIES._replace(kind="gauge")) is None


def test_attributes_are_written_in_one_way():
    """Whatever the order they were sent in."""
    assert as_json({"b": 1, "a": "é"}) == '{"a":"é","b":1}' == as_json({"a": "é", "b": 1})
