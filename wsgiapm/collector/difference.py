# SPDX-License-Identifier: Apache-2.0
"""What a cumulative point adds to what is known of its stream; pure."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from wsgiapm.store.buckets import SCALE, coarsen
from wsgiapm.store.model import Stream

if TYPE_CHECKING:
    from wsgiapm.collector.point import Point
    from wsgiapm.store.model import Cells


class Verdict(Enum):
    """What a point is, compared with the last one of its stream."""

    NEWS = "it adds something"
    NOTHING = "it adds nothing, or was known already"
    STALE_START = "a data point's start time is before the one already seen: two processes report as one instance"
    WENT_BACK = "a sum went down without a new start time; it counts on from there"


class Difference(NamedTuple):
    """What happened in (since_ns, until_ns]."""

    since_ns: int
    until_ns: int
    n: int
    total: float
    cells: Cells


def compare(last: Stream | None, point: Point, since_ns: int) -> tuple[Verdict, Difference]:
    """Return what a point of a sum or histogram adds.

    Args:
        last: the stream's last point; None for a new stream.
        point: the new one.
        since_ns: the time of the instance's report before this one, 0 if there was none.
    """
    if last is None or point.start_ns > last.start_ns:
        # All of it is new, and it happened since the start; of a known instance, since its last report.
        since = max(point.start_ns, since_ns if since_ns < point.time_ns else 0)
        difference = Difference(since, point.time_ns, point.n, point.total, point.cells)
        is_news = bool(point.n or point.total) or last is not None
        return (Verdict.NEWS if is_news else Verdict.NOTHING), difference
    nothing = Difference(last.time_ns, point.time_ns, 0, 0, {})
    if point.start_ns < last.start_ns:
        return Verdict.STALE_START, nothing
    if point.time_ns <= last.time_ns:
        return Verdict.NOTHING, nothing
    known = _coarsened(last.cells, point.scale)
    cells = {bucket: count - known.get(bucket, 0) for bucket, count in point.cells.items()}
    lost = any(bucket not in point.cells for bucket in known) or any(count < 0 for count in cells.values())
    n, total = point.n - last.n, point.total - last.total
    if lost or n < 0 or total < 0:
        return Verdict.WENT_BACK, nothing
    # A stream is only kept when it changes: it had this value at every report since.
    since = max(last.time_ns, since_ns if since_ns < point.time_ns else 0)
    changed = {bucket: count for bucket, count in cells.items() if count}
    return (Verdict.NEWS if n or total else Verdict.NOTHING), Difference(since, point.time_ns, n, total, changed)


def _coarsened(cells: Cells, scale: int) -> Cells:
    """Bring cells to the scale of a later point: senders go to a coarser one when the range of values grows."""
    if scale >= SCALE:
        return cells
    coarse: Cells = {}
    for bucket, count in cells.items():
        wider = coarsen(bucket, scale)
        coarse[wider] = coarse.get(wider, 0) + count
    return coarse


def position(point: Point) -> Stream:
    """Return what is kept of a point for the next comparison."""
    return Stream(point.start_ns, point.time_ns, point.n, point.total, point.cells)
