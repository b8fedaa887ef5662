# SPDX-License-Identifier: Apache-2.0
"""Where the time of a transaction goes: own times add up to the whole, whatever calls what."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wsgiapm.breakdown import Breakdown
from wsgiapm.span import CACHE, COMPONENTS, DB, EXTERNAL, PYTHON, TEMPLATE, Operation, Span

OPERATIONS = [Operation(name, number, name) for number, name in enumerate(COMPONENTS)]


class Tally:
    """Keeps what it is told to count."""

    slow = 10**9

    def __init__(self):
        self.counted = []
        self.noticed = []

    def count(self, operation, error, duration):
        self.counted.append((operation.name, error, duration))

    def notice(self, breakdown, operation, count, duration):
        self.noticed.append((operation.name, count, duration))


def _begin(breakdown, component, now):
    span = Span(OPERATIONS[component], breakdown, None, now)
    breakdown.open(span)
    return span


def test_a_call_within_a_call_is_taken_off_it():
    """A query within a template is the database's time, not the template's, and each of both is counted as long as it took."""
    tally = Tally()
    breakdown = Breakdown(tally)
    template = _begin(breakdown, TEMPLATE, 10)
    query = _begin(breakdown, DB, 30)
    breakdown.close(query, 70)
    breakdown.close(template, 100)

    own = breakdown.components(0, 200)

    assert own[TEMPLATE] == 50
    assert own[DB] == 40
    assert own[PYTHON] == 110
    assert tally.counted == [("db", None, 40), ("template", None, 90)]


def test_of_overlapping_calls_the_one_begun_last_has_the_time():
    """Two greenlets of one request that wait at the same time do not make it longer than it was."""
    breakdown = Breakdown(Tally())
    first = _begin(breakdown, CACHE, 0)
    second = _begin(breakdown, EXTERNAL, 40)
    breakdown.close(first, 60)
    breakdown.close(second, 100)

    own = breakdown.components(0, 100)

    assert own[CACHE] == 40
    assert own[EXTERNAL] == 60
    assert own[PYTHON] == 0


def test_a_call_that_never_ends_counts_up_to_the_end_of_its_transaction():
    """A cursor that is left open in a generator must not make the time before it vanish."""
    breakdown = Breakdown(Tally())
    _begin(breakdown, DB, 25)

    assert breakdown.components(0, 100)[DB] == 75


def test_a_thread_that_looked_at_the_clock_too_early_takes_nothing_twice():
    """Between looking and booking another thread may have booked what came later: no time is given to two."""
    breakdown = Breakdown(Tally())
    query = _begin(breakdown, DB, 0)
    other = _begin(breakdown, CACHE, 50)
    breakdown.close(other, 40)
    breakdown.close(query, 60)

    own = breakdown.components(0, 100)

    assert (own[DB], own[CACHE], own[PYTHON]) == (60, 0, 40)


def test_calls_are_known_by_operation():
    """How often a transaction made the same call is what tells of N+1."""
    breakdown = Breakdown(Tally())
    for start in (0, 10, 20):
        breakdown.close(_begin(breakdown, DB, start), start + 4)

    assert {operation.name: (calls.count, calls.duration) for operation, calls in breakdown.calls.items()} == {
        "db": (3, 12)
    }


@given(st.data())
def test_own_times_add_up_to_the_whole(data):
    """On any tree of calls, nested, overlapping and left open, every nanosecond belongs to one component, none to two."""
    breakdown = Breakdown(Tally())
    now, opened = 0, []
    for _ in range(data.draw(st.integers(0, 40))):
        now += data.draw(st.integers(0, 1000))
        if opened and data.draw(st.booleans()):
            breakdown.close(opened.pop(data.draw(st.integers(0, len(opened) - 1))), now)
        else:
            opened.append(_begin(breakdown, data.draw(st.integers(0, len(COMPONENTS) - 1)), now))
    end = now + data.draw(st.integers(0, 1000))

    own = breakdown.components(0, end)

    assert sum(own) == end
    assert min(own) >= 0
