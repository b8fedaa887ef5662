# SPDX-License-Identifier: Apache-2.0
"""A histogram in one column: an eighth of the room that a row for each of its cells takes, and read as quickly.

The bytes are the width of a count, the buckets (16 bits each), then their counts, little-endian. No bytes: no cells.
"""

from __future__ import annotations

from struct import calcsize, unpack_from
from struct import pack as pack_struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wsgiapm.store.model import Cells

# The struct formats of the widths of a count, in bytes.
_FORMATS = {1: "B", 2: "H", 4: "I", 8: "Q"}
_BUCKET_BYTES = calcsize("<h")


def pack(cells: Mapping[int, int]) -> bytes:
    """Return the bytes of a histogram."""
    if not cells:
        return b""
    buckets = sorted(cells)
    most = max(cells.values())
    width = next(width for width in _FORMATS if most < 1 << 8 * width)
    form = f"<B{len(buckets)}h{len(buckets)}{_FORMATS[width]}"
    return pack_struct(form, width, *buckets, *(cells[bucket] for bucket in buckets))


def add_up(packed: Iterable[bytes]) -> Cells:
    """Return what histograms add up to."""
    cells: Cells = {}
    known = cells.get
    for one in packed:
        if one:
            width = one[0]
            count = (len(one) - 1) // (_BUCKET_BYTES + width)
            numbers = unpack_from(f"<{count}h{count}{_FORMATS[width]}", one, 1)
            for bucket, n in zip(numbers, numbers[count:], strict=False):
                cells[bucket] = known(bucket, 0) + n
    return cells


def add_packed(one: bytes, other: bytes) -> bytes:
    """Return the bytes of the sum of two histograms."""
    return pack(add_up((one, other)))
