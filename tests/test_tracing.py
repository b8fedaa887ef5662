# SPDX-License-Identifier: Apache-2.0
"""Spans of the transaction that runs here: which are recorded, and what belongs to what."""

from __future__ import annotations

import threading
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


def test_what_a_leaf_calls_of_its_own_kind_is_a_part_of_it(transaction, counted):
    """A query of a function that SQLite calls for a query is no call of its own; a call of another kind is, within it."""
    leaf = tracing.enter(transaction, CALL)
    assert tracing.enter(transaction, SOCKET) is None
    assert tracing.begin(transaction, SOCKET) is None
    cached = tracing.begin(transaction, GET)
    tracing.end(cached)
    transaction.breakdown.leave(leaf, "TimeoutError")
    transaction.breakdown.leave(tracing.enter(transaction, SOCKET), None)

    assert counted == [("GET", None), ("GET example.org", "TimeoutError"), ("GET example.org by another library", None)]


def test_a_leaf_may_be_a_part_of_a_call(transaction, counted):
    """A library that is written in C hides in what another does with it, as any."""
    outer = tracing.begin(transaction, CALL)
    assert tracing.enter(transaction, SOCKET) is None
    tracing.end(outer)

    assert counted == [("GET example.org", None)]


def test_leaves_of_other_threads_are_not_hidden(transaction, counted):
    """A leaf has but its own thread to itself: each call of two threads of one transaction counts."""
    leaf = tracing.enter(transaction, CALL)

    def call():
        transaction.breakdown.leave(tracing.enter(transaction, SOCKET), None)
        tracing.end(tracing.begin(transaction, SOCKET))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    transaction.breakdown.leave(leaf, None)

    assert len(counted) == 3


def test_a_leaf_takes_its_time_from_the_call_around_it(transaction, monkeypatch):
    """Also when other calls begin and end meanwhile: every nanosecond is one component's, and leaves used again have none."""
    clock = iter((10, 20, 30, 45, 70, 80, 84, 100))
    monkeypatch.setattr(tracing, "monotonic_ns", clock.__next__)
    monkeypatch.setattr("wsgiapm.breakdown.monotonic_ns", clock.__next__)

    page = tracing.begin(transaction, PAGE)  # 10
    leaf = tracing.enter(transaction, GET)  # 20
    call = tracing.begin(transaction, CALL)  # 30
    tracing.end(call)  # 45
    transaction.breakdown.leave(leaf, None)  # 70
    again = tracing.enter(transaction, GET)  # 80
    transaction.breakdown.leave(again, None)  # 84
    tracing.end(page)  # 100

    own = transaction.breakdown.components(0, 100)
    assert (own[CACHE], own[EXTERNAL], own[TEMPLATE]) == (35 + 4, 15, 10 + 10 + 16)
    assert again is leaf
