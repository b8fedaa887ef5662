# SPDX-License-Identifier: Apache-2.0
"""How fast memory grows, in spite of peaks."""

from __future__ import annotations

import pytest

from wsgiapm.report.growth import growth_per_hour


def line(count, per_second, step=10):
    """Points that grow steadily."""
    return [(1000.0 + i * step, 5e7 + per_second * i * step) for i in range(count)]


@pytest.mark.parametrize("per_second", [0, 1000, -250])
@pytest.mark.parametrize("count", [31, 180, 2000])
def test_a_steady_growth(count, per_second):
    """Exactly, however many points."""
    assert growth_per_hour(line(count, per_second)) == per_second * 3600


def test_peaks_are_no_growth():
    """A tenth of the points far above, and the last one as well."""
    points = [(t, memory + (5e8 if i % 10 == 9 else 0)) for i, (t, memory) in enumerate(line(40, 100))]

    assert growth_per_hour(points) == pytest.approx(360_000, rel=0.15)


@pytest.mark.parametrize("points", [[], line(1, 5), line(4, 5, step=100), line(30, 5)])
def test_what_cannot_be_told_yet(points):
    """Too few points, or less than five minutes."""
    assert growth_per_hour(points) is None
