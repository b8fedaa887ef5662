# SPDX-License-Identifier: Apache-2.0
"""The time a request waited in front of the worker, as front-end servers say it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgiapm import clock
from wsgiapm.queue_time import read_queue_time

NOW = 1_795_000_000_123_456_789
MILLISECOND = 10**6


@pytest.fixture(autouse=True)
def wall_clock(monkeypatch):
    """It is always the same moment."""
    monkeypatch.setattr(clock, "time_ns", lambda: NOW)


def waited(value, header="HTTP_X_REQUEST_START"):
    """What is read from one header."""
    return read_queue_time({header: value})


@pytest.mark.parametrize("prefix", ["", "t=", " t= "])
@pytest.mark.parametrize("header", ["HTTP_X_REQUEST_START", "HTTP_X_QUEUE_START"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1795000000", 123_456_789),
        ("1795000000.123", 456_789),
        ("1795000000.023", 100_456_789),
        ("1795000000023", 100_456_789),
        ("1795000000023.5", 99_956_789),
        ("1795000000023456", 100_000_789),
        ("1795000000023456789", 100_000_000),
    ],
    ids=["s", "nginx", "s.ms", "ms", "ms.f", "us", "ns"],
)
def test_every_unit_is_understood(prefix, header, value, expected):
    """Seconds, milliseconds, microseconds and nanoseconds, told by the size of the number, with and without t=."""
    assert waited(prefix + value, header) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "t=",
        "soon",
        "-1795000000",
        "+1",
        "1795000000.1.2",
        "1795000000,5",
        "0x10",
        "1e9",
        "١٧٩٥٠٠٠٠٠٠",
        "9" * 5000,
        "1795000000.x",
        "NaN",
        "t=t=1",
    ],
)
def test_garbage_is_no_time(value):
    """What no front-end server sends is as if it were not there."""
    assert waited(value) == 0


@pytest.mark.parametrize("value", ["1795000001", "1795009999000", "1795000000124"])
def test_the_future_is_no_time(value):
    """Clocks of two machines differ; a request that is yet to come did not wait."""
    assert waited(value) == 0


def test_more_than_ten_minutes_is_no_time():
    """That is a wrong clock, not a queue."""
    assert waited("1794999401") == 0 or waited("1794999401") <= 600 * 10**9
    assert waited("1794999399") == 0
    assert waited("1") == 0


def test_the_first_header_that_says_something_counts():
    """One that says nothing does not hide the other."""
    environ = {"HTTP_X_REQUEST_START": "garbage", "HTTP_X_QUEUE_START": "t=1795000000.023"}

    assert read_queue_time(environ) == 100_456_789
    assert read_queue_time({}) == 0
    assert read_queue_time({"HTTP_X_REQUEST_START": None}) == 0


@given(st.text(max_size=40))
def test_any_text_is_answered(value):
    """Whatever a client sends, the answer is a possible time."""
    assert 0 <= waited(value) <= 600 * 10**9
