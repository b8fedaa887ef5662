# SPDX-License-Identifier: Apache-2.0
"""Spans of the transaction that runs here: which are recorded, and what belongs to what."""

from __future__ import annotations

from contextvars import copy_context
from types import SimpleNamespace

import pytest

from wsgiapm import tracing
from wsgiapm.span import CACHE, EXTERNAL, TEMPLATE, Operation
from wsgiapm.transaction import CURRENT, Transaction

PAGE = Operation("page.html", TEMPLATE, hides=False)
PART = Operation("part.html", TEMPLATE, hides=False)
CALL = Operation("GET example.org", EXTERNAL, "http.client.request.duration")
SOCKET = Operation("GET example.org by another library", EXTERNAL, "http.client.request.duration")
GET = Operation("GET", CACHE, "db.client.operation.duration")


@pytest.fixture
def counted():
    """What has been counted, by name and error."""
    return []


@pytest.fixture
def transaction(counted):
    """A transaction that runs here."""
    running = Transaction()
    running.start = 0
    operations = SimpleNamespace(count=lambda operation, error, _: counted.append((operation.name, error)), slow=10**18)
    running.recorder = SimpleNamespace(operations=operations, rename=None)
    token = CURRENT.set(running)
    yield running
    CURRENT.reset(token)


def test_a_call_within_a_call_of_the_same_kind_is_no_call_of_its_own(transaction, counted):
    """Requests over urllib3 over http.client counts once, and what it does besides is counted."""
    outer = tracing.begin(transaction, CALL)
    assert tracing.begin(transaction, SOCKET) is None
    cached = tracing.begin(transaction, GET)
    tracing.end(cached)
    tracing.end(outer, "TimeoutError")
    again = tracing.begin(transaction, SOCKET)
    tracing.end(again)

    assert counted == [("GET", None), ("GET example.org", "TimeoutError"), ("GET example.org by another library", None)]


def test_templates_include_templates(transaction, counted):
    """What does not hide its like is a span in any depth; without a metric it is not counted."""
    page = tracing.begin(transaction, PAGE)
    part = tracing.begin(transaction, PART)

    assert part.outer is page
    tracing.end(part)
    tracing.end(page)
    assert not counted


def test_after_its_end_a_transaction_has_no_more_spans(transaction):
    """What goes on when the response has been sent belongs to no request."""
    transaction.recorder = None

    assert tracing.begin(transaction, CALL) is None


def test_a_span_of_another_transaction_hides_nothing(transaction, counted):
    """A request made within a request, as by a test client, is measured like any other."""
    outer = tracing.begin(transaction, CALL)
    inner = Transaction()
    inner.recorder = transaction.recorder
    span = tracing.begin(inner, SOCKET)
    tracing.end(span)
    tracing.end(outer)

    assert [name for name, _ in counted] == ["GET example.org by another library", "GET example.org"]


def test_calls_of_other_tasks_are_not_hidden(transaction, counted):
    """Two tasks of one request that call at the same time count twice, in whatever order they end."""
    first, second = copy_context(), copy_context()
    one = first.run(tracing.begin, transaction, CALL)
    other = second.run(tracing.begin, transaction, SOCKET)
    first.run(tracing.end, one)
    second.run(tracing.end, other)

    assert len(counted) == 2
