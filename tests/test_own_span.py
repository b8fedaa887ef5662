# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm.span`: a part of a transaction with a name of its own, which takes time from nobody."""

from __future__ import annotations

import asyncio

import pytest

import wsgiapm
from tests.instruments.recording import Recording
from wsgiapm import tracing
from wsgiapm.own_span import span
from wsgiapm.span import DB, PYTHON, Operation


@pytest.fixture
def recording():
    """What takes the place of a recorder."""
    return Recording()


def test_the_public_name_is_the_function():
    """`from wsgiapm import span` gives what can be called, though there is a module of that name."""
    assert wsgiapm.span is span
    assert "span" in wsgiapm.__all__


def test_it_takes_no_part_of_the_components(recording):
    """Its own time is Python's, what is called within is counted as ever, and it is no call itself."""
    with recording.transaction() as transaction, span("price the cart", "internal", goods=3):
        running = tracing.innermost()
        assert (running.operation.name, running.operation.component) == ("price the cart", PYTHON)
        with span("price one"):
            tracing.end(tracing.begin(transaction, Operation("SELECT", DB, "some.metric")))
    assert [call.name for call in recording.calls] == ["SELECT"]
    assert tracing.innermost() is None


def test_decorated_functions_are_spans(recording):
    """Each call is one, of a coroutine function too; results and exceptions pass through, also when it calls itself."""
    seen = []

    @span("countdown")
    def countdown(number):
        seen.append(tracing.innermost())
        return countdown(number - 1) if number else 1 / number

    @span("wait")
    async def wait():
        await asyncio.sleep(0)
        return tracing.innermost().operation.name

    with recording.transaction():
        with pytest.raises(ZeroDivisionError):
            countdown(2)
        assert asyncio.run(wait()) == "wait"
        assert tracing.innermost() is None
    assert len(set(map(id, seen))) == 3


def test_outside_of_a_transaction_it_does_nothing():
    """Nothing is begun, and nothing is in its way."""
    with span("nothing") as it:
        assert tracing.innermost() is None
        assert isinstance(it, span)
