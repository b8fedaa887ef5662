# SPDX-License-Identifier: Apache-2.0
"""The one histogram layout of the store: OTLP's exponential buckets of scale 3, eight to an octave.

Bucket ``i`` holds the values in (2^(i/8), 2^((i+1)/8)], in the metric's own unit.
Source: OpenTelemetry metrics data model, exponential histogram.
"""

from __future__ import annotations

import math

SCALE = 3
PER_OCTAVE = 1 << SCALE
# Zero and what is too small to be told from it; below every index a double can have.
ZERO = -32768
# The indexes of the smallest and the largest double.
LOWEST, HIGHEST = -1074 * PER_OCTAVE, 1024 * PER_OCTAVE - 2
# Where the zero bucket ends for whoever needs a number: 2^-20 s is just below a microsecond.
ZERO_UPPER = 2.0**-20


def lower_bound(bucket: int) -> float:
    """Return the bound a bucket's values lie above, in the metric's unit."""
    return 0.0 if bucket == ZERO else 2.0 ** (bucket / PER_OCTAVE)


def upper_bound(bucket: int) -> float:
    """Return the largest value a bucket holds, in the metric's unit."""
    return ZERO_UPPER if bucket == ZERO else 2.0 ** ((bucket + 1) / PER_OCTAVE)


def bucket_of(value: float) -> int:
    """Return the index of the bucket that holds ``value`` (finite, in the metric's unit)."""
    if value <= 0:
        return ZERO
    guess = clamp(math.ceil(math.log2(value) * PER_OCTAVE) - 1)
    # The logarithm is off by one unit in the last place at the bounds: the bounds themselves decide.
    while guess < HIGHEST and value > upper_bound(guess):
        guess += 1
    while guess > LOWEST and value <= lower_bound(guess):
        guess -= 1
    return guess


def rescale(index: int, scale: int) -> int:
    """Return the bucket that a bucket of another scale goes into: of a finer one wholly, of a coarser one with its end.

    Args:
        index: in an exponential histogram of ``scale``.
        scale: from -10 to 20.
    """
    if scale >= SCALE:
        return clamp(index >> (scale - SCALE))
    return clamp(((index + 1) << (SCALE - scale)) - 1)


def coarsen(bucket: int, scale: int) -> int:
    """Return where ``rescale`` puts the bucket of a coarser ``scale`` that this one is part of."""
    return bucket if scale >= SCALE or bucket == ZERO else rescale(bucket >> (SCALE - scale), scale)


def clamp(bucket: int) -> int:
    """Return the nearest index a double can have."""
    return min(max(bucket, LOWEST), HIGHEST)
