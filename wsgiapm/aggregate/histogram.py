# SPDX-License-Identifier: Apache-2.0
"""The cells durations are counted in, and the two histograms that are read from them.

The cell table is the union of three sets of bounds: the classic ones of the semantic conventions (HTTP and database),
the exponential ones of scale 3, and the Apdex T and 4T. Each cell therefore lies in exactly one classic bucket, one
exponential bucket and one Apdex zone, so all three are exact projections of one counter.

Bounds are integer nanoseconds, rounded down: a duration in whole nanoseconds is at most the real bound exactly when it
is at most the rounded one. Cells are grouped in blocks of one octave (a factor of two), the unit in which the shared
index hands out memory.

Source: OpenTelemetry metrics data model, "ExponentialHistogram" (a bucket includes its upper bound).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from math import isqrt

from wsgiapm.named_tuple import NamedTuple

HTTP_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
DB_BOUNDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)

SCALE = 3
_PER_OCTAVE = 1 << SCALE
_FIRST_OCTAVE = -20  # 2**-20 s, about a microsecond: what is shorter is counted as zero
_LAST_OCTAVE = 17  # 2**17 s, about a day and a half: what is longer overflows
OVERFLOW = 2**63 - 1

Cells = Iterable[tuple[int, int]]


def _power_of_two_seconds(eighths: int) -> int:
    """Return floor(2 ** (eighths / 8) s) in nanoseconds, exactly (an integer eighth root); `eighths` is not negative."""
    return isqrt(isqrt(isqrt((10**9) ** 8 << eighths)))


def nanoseconds(seconds: float) -> int:
    """Return a bound given in seconds as whole nanoseconds."""
    return round(seconds * 1_000_000_000)


def _exponential_bounds() -> Iterator[int]:
    # Halving and rounding down gives the same as rounding down the halves, so one octave of roots is enough.
    last_octave = [_power_of_two_seconds((_LAST_OCTAVE - 1) * _PER_OCTAVE + k) for k in range(_PER_OCTAVE)]
    for octave in range(_FIRST_OCTAVE, _LAST_OCTAVE):
        for bound in last_octave:
            yield bound >> _LAST_OCTAVE - 1 - octave
    yield _power_of_two_seconds(_LAST_OCTAVE * _PER_OCTAVE)


EXPONENTIAL_BOUNDS = tuple(_exponential_bounds())
ZERO_UPPER = EXPONENTIAL_BOUNDS[0]
_OCTAVE_BOUNDS = EXPONENTIAL_BOUNDS[::_PER_OCTAVE]
_CLASSIC_BOUNDS = tuple(nanoseconds(b) for b in {*HTTP_BOUNDS, *DB_BOUNDS})


class Table(NamedTuple):
    """The cells for one Apdex T.

    A duration's cell is `bisect_left(uppers, duration)`; `octaves[cell]` is its block, `first[block]` the first cell
    of a block, `sizes[block]` the number of cells in it. The first block is the zero cell, the last the overflow.
    """

    apdex_t: int
    uppers: tuple[int, ...]
    octaves: tuple[int, ...]
    first: tuple[int, ...]
    sizes: tuple[int, ...]


@lru_cache(maxsize=16)
def table(apdex_t: int) -> Table:
    """Return the cell table whose bounds include `apdex_t` and four times `apdex_t` (nanoseconds)."""
    apdex = (t for t in (apdex_t, 4 * apdex_t) if ZERO_UPPER < t < EXPONENTIAL_BOUNDS[-1])
    uppers = tuple(sorted({*EXPONENTIAL_BOUNDS, *_CLASSIC_BOUNDS, *apdex}))
    octaves = (*(bisect_left(_OCTAVE_BOUNDS, upper) for upper in uppers), len(_OCTAVE_BOUNDS))
    blocks = range(len(_OCTAVE_BOUNDS) + 1)
    return Table(
        apdex_t, uppers, octaves, tuple(octaves.index(b) for b in blocks), tuple(octaves.count(b) for b in blocks)
    )


def narrow(uppers: tuple[int, ...]) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Return, by a duration's `bit_length()`, the first cell it can be in and the bounds to look it up among.

    Most durations lie between two powers of two with some ten bounds between them: `first + bisect_left(bounds, duration)`
    is what `bisect_left(uppers, duration)` is, with half the steps.
    """
    ends = [(1 << bits >> 1, (1 << bits) - 1) for bits in range(65)]
    cells = [(bisect_left(uppers, low), bisect_left(uppers, high)) for low, high in ends]
    return tuple((first, uppers[first:last]) for first, last in cells)


BLOCKS = len(_OCTAVE_BOUNDS) + 1


class ClassicBuckets(dict[int, int]):
    """Which classic bucket a cell is in, by its upper bound, looked up when first asked for."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """`bounds` are in seconds, ascending, all from the table."""
        super().__init__()
        self._uppers = [nanoseconds(bound) for bound in bounds]

    def __missing__(self, upper: int) -> int:
        """Look it up."""
        place = bisect_left(self._uppers, upper)
        if len(self) < _PLACES_AT_MOST:
            self[upper] = place
        return place

    def cumulate(self, cells: Cells) -> list[int]:
        """Return the cumulative counts for all bounds, then for +Inf."""
        counts = [0] * (len(self._uppers) + 1)
        for upper, count in cells:
            counts[self[upper]] += count
        return list(accumulate(counts))


_PLACES_AT_MOST = 1000
classic_buckets = lru_cache(maxsize=64)(ClassicBuckets)


def classic(cells: Cells, bounds: Sequence[float]) -> list[int]:
    """Return the cumulative counts for `bounds` (seconds, all from the table), then for +Inf."""
    return classic_buckets(tuple(bounds)).cumulate(cells)


class Exponential(NamedTuple):
    """An exponential histogram: bucket `offset + i` is (base ** (offset + i), base ** (offset + i + 1)] seconds."""

    scale: int
    zero_count: int
    offset: int
    counts: tuple[int, ...]


def exponential(cells: Cells) -> Exponential:
    """Return the exponential histogram of `cells`; what overflowed stands in the bucket after the last bound."""
    zero = 0
    buckets: dict[int, int] = {}
    for upper, count in cells:
        if upper <= ZERO_UPPER:
            zero += count
        else:
            bucket = bisect_left(EXPONENTIAL_BOUNDS, upper)
            buckets[bucket] = buckets.get(bucket, 0) + count
    if not buckets:
        return Exponential(SCALE, zero, 0, ())
    low, high = min(buckets), max(buckets)
    counts = tuple(buckets.get(b, 0) for b in range(low, high + 1))
    return Exponential(SCALE, zero, _FIRST_OCTAVE * _PER_OCTAVE + low - 1, counts)
