# SPDX-License-Identifier: Apache-2.0
"""Numbers with their units."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgiapm.config.kinds import (
    Duration,
    Flag,
    Integer,
    Multiple,
    Size,
    Threshold,
    parse_duration,
    parse_size,
    show_duration,
    show_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5), ("300ms", 0.3), ("2s", 2.0), ("1m", 60.0), ("2h", 7200.0), ("30d", 2592000.0),
        ("0.5", 0.5), (".5s", 0.5), ("7", 7.0), ("250us", 0.00025), ("1.5 s", 1.5), ("0", 0.0),
    ],
)  # fmt: skip
def test_a_duration_is_read_as_seconds(text, seconds):
    """The unit is part of the value; a bare number is seconds."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1e3", "5 minutes", "nan", "inf", "1M", "1,5s", "٣s", "367d", "2s2"])
def test_what_is_no_duration_is_refused(text):
    """Signs, exponents, unknown units and whatever is longer than a year are not guessed at."""
    with pytest.raises(ValueError, match="must be"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64MiB", 2**26),
        ("64mib", 2**26),
        ("512KiB", 2**19),
        ("1.5GiB", 3 * 2**29),
        ("10kB", 10_000),
        ("5", 5),
        ("7B", 7),
    ],
)
def test_a_size_is_read_as_bytes(text, size):
    """Binary and decimal units differ; a bare number is bytes."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "-1", "1M", "64 megabytes", "0.5", "1e6", "9999999GiB"])
def test_what_is_no_size_is_refused(text):
    """A unit that could mean two things, or a part of a byte, is not guessed at."""
    with pytest.raises(ValueError, match="must be"):
        parse_size(text)


@given(st.integers(0, 366 * 86400 * 1000))
def test_a_shown_duration_is_read_back(milliseconds):
    """show_duration writes what parse_duration reads as the same float."""
    assert parse_duration(show_duration(milliseconds / 1000)) == milliseconds / 1000


@given(st.integers(0, 2**50))
def test_a_shown_size_is_read_back(size):
    """show_size writes what parse_size reads as the same number."""
    assert parse_size(show_size(size)) == size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "500ms"), (2.0, "2s"), (2.5, "2.5s"), (60.0, "1m"), (90.0, "90s"), (0.00025, "250us"), (0.0, "0s")],
)
def test_a_duration_is_shown_as_a_person_would_write_it(seconds, text):
    """The largest unit that divides it, or the one that avoids a fraction."""
    assert show_duration(seconds) == text


@pytest.mark.parametrize("word", ["1", "true", "True", "YES", "on", True, 1], ids=repr)
def test_words_for_yes(word):
    """Any case, and Python's own values."""
    assert Flag().parse(word) is True


@pytest.mark.parametrize("word", ["0", "false", "no", "Off", False, 0], ids=repr)
def test_words_for_no(word):
    """Any case, and Python's own values."""
    assert Flag().parse(word) is False


@pytest.mark.parametrize("word", ["", "2", "maybe", "y", 0.5])
def test_other_words_are_no_flag(word):
    """The words that would do are named."""
    with pytest.raises(ValueError, match="one of true, false"):
        Flag().parse(word)


@pytest.mark.parametrize("word", ["0", "11", "-1", "5.0", "five", "1_0", "", True, "9" * 30], ids=repr)
def test_an_integer_keeps_to_its_bounds(word):
    """The bounds are named."""
    with pytest.raises(ValueError, match="from 1 to 10"):
        Integer(1, 10).parse(word)


def test_an_integer_within_bounds():
    """Both bounds belong to it."""
    assert [Integer(1, 10).parse(word) for word in ("1", 5, " 10 ")] == [1, 5, 10]


def test_a_duration_may_have_a_lower_bound():
    """The bound itself is allowed and is named when it is not kept."""
    assert Duration(1.0).parse("1s") == 1.0
    with pytest.raises(ValueError, match="at least 1s"):
        Duration(1.0).parse("999ms")


def test_a_duration_above_zero_is_not_zero():
    """Zero is refused where it makes no sense."""
    with pytest.raises(ValueError, match="more than 0"):
        Duration(above_zero=True).parse("0")


def test_a_threshold_may_be_a_multiple_of_t():
    """4t waits for the Apdex T, everything else is a duration."""
    multiple = Threshold().parse("4t")
    assert isinstance(multiple, Multiple)
    assert multiple.factor == 4.0
    assert Threshold().parse("4s") == 4.0


def test_a_size_below_its_bound_may_still_be_zero():
    """Zero stands for computed; another small number is most likely a forgotten unit."""
    assert Size(65536, zero_means="computed").parse("0") == 0
    with pytest.raises(ValueError, match=r"at least 64KiB, or 0 \(computed\); a bare number is bytes"):
        Size(65536, zero_means="computed").parse("32")
