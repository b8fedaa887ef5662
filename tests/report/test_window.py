# SPDX-License-Identifier: Apache-2.0
"""Which tier and which step answer for a window."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgiapm.report.window import MOST_POINTS, choose
from wsgiapm.store.model import DAY, HOUR, tiers

NOW = 1_800_000_005.5
TIERS = tiers(30 * DAY)


@pytest.mark.parametrize(
    ("length", "step", "tier"),
    [
        (60, 10, 10),
        (1800, 10, 10),
        (HOUR, 30, 10),
        (3 * HOUR, 60, 60),
        (12 * HOUR, 300, 60),
        (DAY, 600, 600),
        (7 * DAY, 3600, 3600),
        (30 * DAY, 21600, 3600),
        (300 * DAY, 2 * DAY, 3600),
    ],
)
def test_recent_windows(length, step, tier):
    """The finest step that stays readable, out of the coarsest tier that has it."""
    window = choose(NOW - length, NOW, TIERS, NOW)

    assert (window.step, window.tier) == (step, tier)


@pytest.mark.parametrize(("age", "tier"), [(7 * HOUR, 60), (3 * DAY, 600), (20 * DAY, 3600), (90 * DAY, 3600)])
def test_old_windows_are_read_from_a_tier_that_still_has_them(age, tier):
    """Half an hour of last week is there in ten-minute steps."""
    window = choose(NOW - age, NOW - age + 1800, TIERS, NOW)

    assert window.tier == tier
    assert window.step >= tier


@given(st.floats(0, 400 * DAY), st.floats(0.001, 400 * DAY), st.sampled_from([HOUR, DAY, 30 * DAY]))
def test_every_window_is_covered_by_whole_slots(age, length, retention):
    """Not too many of them, and each made of whole rows of the tier."""
    stop = NOW - age
    window = choose(stop - length, stop, tiers(retention), NOW)

    assert window.first <= window.start < window.stop < window.end
    assert window.start - window.first < window.step
    assert window.end - window.stop <= window.step
    assert window.step % window.tier == window.first % window.step == window.end % window.step == 0
    assert 1 <= len(window.slots) <= MOST_POINTS + 2
    assert window.minutes > 0


@given(st.floats(0, 400 * DAY), st.floats(0.001, 40 * DAY))
def test_the_pieces_of_a_window_are_the_window(age, length):
    """They follow each other without gap or overlap, each made of whole rows of its tier, none finer than the window's."""
    window = choose(NOW - age - length, NOW - age, TIERS, NOW)

    pieces = window.pieces

    assert pieces[0][1] == window.first
    assert pieces[-1][2] == window.end
    assert all(before[2] == after[1] for before, after in itertools.pairwise(pieces))
    assert all(step >= window.tier and first % step == end % step == 0 and first < end for step, first, end in pieces)


def test_a_recent_half_hour_is_read_from_few_rows():
    """Ten-minute rows in the middle, finer ones only where the window begins and ends."""
    rows = sum((end - first) // step for step, first, end in choose(NOW - 1800, NOW, TIERS, NOW).pieces)

    assert rows < 40
