# SPDX-License-Identifier: Apache-2.0
"""Books reports: the rows and the positions of the streams change in one transaction, or not at all.

A cumulative stream says how much there has been since its start. What is booked is the difference to its last point; equal
and older points are ignored; a later start is a reset. What a difference covers is known to the report's interval:
if that is long, because reports failed to arrive, it is spread evenly over the span and marked late.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wsgiapm.collector.detail_ledger import DetailLedger, account_of
from wsgiapm.collector.difference import Verdict, compare, position
from wsgiapm.collector.identity import admit
from wsgiapm.collector.ledger import Ledger
from wsgiapm.collector.reading import read_reports
from wsgiapm.collector.refusal import Refusals
from wsgiapm.collector.spreading import Part, spread
from wsgiapm.store.model import DETAILED, NANOSECONDS
from wsgiapm.store.series import TEXT, TOGETHER, total_of

if TYPE_CHECKING:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    from wsgiapm.collector.difference import Difference
    from wsgiapm.collector.ledger import Account
    from wsgiapm.collector.point import Point, Report
    from wsgiapm.store.model import Instance, Series, Stream
    from wsgiapm.store.protocol import Store, Writer

# What covers more than this is spread.
_LONG_NS = 30 * NANOSECONDS
# An instance that reports seldom is not late when it does so again; beyond two minutes it is no usual interval.
_LONGEST_INTERVAL_NS = 120 * NANOSECONDS
_REFUSED = (Verdict.STALE_START, Verdict.WENT_BACK)


def ingest(store: Store, request: ExportMetricsServiceRequest, now_ns: int) -> Refusals:
    """Book a metrics request; it is kept when this returns.

    Args:
        store: where to.
        request: the decoded message.
        now_ns: the server's time, in Unix nanoseconds.

    Returns:
        the points that were refused, by reason.

    Raises:
        StoreError: the store could not take it; nothing of it is kept.
    """
    refusals = Refusals()
    reports = list(read_reports(request, refusals))
    if reports:
        with store.writing() as writer:
            ledger = Ledger(writer, store.tiers, now_ns // NANOSECONDS)
            details = DetailLedger(writer, store.detail_tiers, now_ns // NANOSECONDS)
            for report in reports:
                _Booking(writer, ledger, details, refusals, now_ns).book(report)
            ledger.flush()
            details.flush()
    return refusals


class _Booking:
    """Books one report."""

    def __init__(self, writer: Writer, ledger: Ledger, details: DetailLedger, refusals: Refusals, now_ns: int) -> None:
        self._writer = writer
        self._ledger = ledger
        self._details = details
        self._refusals = refusals
        self._now_ns = now_ns

    def book(self, report: Report) -> None:
        now = self._now_ns // NANOSECONDS
        app, instance = admit(self._writer, report.identity, now, self._refusals, len(report.points))
        if app is None or instance is None:
            return
        time_ns = max(point.time_ns for point in report.points)
        # One report may come in several requests of the same time.
        since_ns = instance.report_ns if time_ns > instance.report_ns else instance.before_ns
        usual_ns = instance.report_ns - instance.before_ns if instance.before_ns else 0
        patience_ns = max(_LONG_NS, min(usual_ns, _LONGEST_INTERVAL_NS) * 3 // 2)
        for point in report.points:
            self._book_point(app, instance, point, since_ns, patience_ns)
        if time_ns > instance.report_ns:
            self._writer.reported(app, instance._replace(report_ns=time_ns, before_ns=instance.report_ns))

    def _book_point(self, app: int, instance: Instance, point: Point, since_ns: int, patience_ns: int) -> None:
        key = self._series(app, point.series)
        if key is None:
            return
        last = self._writer.stream(app, key, instance.id)
        if last is None and point.text:
            self._writer.add_texts(app, {json.loads(point.series.attributes)[TEXT]: point.text})
        if point.series.kind == "gauge":
            self._book_gauge(app, key, instance, point, last)
            return
        verdict, difference = compare(last, point, since_ns)
        if verdict in _REFUSED:
            self._refusals.add(verdict.value)
        if verdict is Verdict.WENT_BACK:
            self._writer.advance(app, key, instance.id, position(point))
        if verdict is Verdict.NEWS and point.series.metric in DETAILED:
            self._book_detail(app, key, instance, point, difference, patience_ns)
        elif verdict is Verdict.NEWS:
            self._book_news(app, key, instance, point, difference, patience_ns)

    def _book_gauge(self, app: int, key: int, instance: Instance, point: Point, last: Stream | None) -> None:
        if last is None or point.time_ns > last.time_ns:
            self._writer.advance(app, key, instance.id, position(point))
            t = self._not_after_now(point.time_ns) // NANOSECONDS
            self._ledger.note((app, key, instance.id), t, point.total)

    def _book_news(
        self, app: int, key: int, instance: Instance, point: Point, difference: Difference, patience_ns: int
    ) -> None:
        if accounts := self._accounts(app, key, instance, point.series):
            self._writer.advance(app, key, instance.id, position(point))
            for part, late in self._parts(difference, key, patience_ns):
                for account in accounts:
                    self._ledger.add(account, part, late=late)

    def _book_detail(
        self, app: int, key: int, instance: Instance, point: Point, difference: Difference, patience_ns: int
    ) -> None:
        account = account_of(point.series)
        account_key = key if account == point.series else self._series(app, account)
        if account_key is not None:
            self._writer.advance(app, key, instance.id, position(point))
            parts = self._parts(difference, key, patience_ns)
            self._details.add(app, account_key, point.series, (part for part, _ in parts))

    def _accounts(self, app: int, key: int, instance: Instance, series: Series) -> list[Account]:
        """Return the series itself and its total, or nothing: there is never one without the other."""
        own, total = (app, key, instance.id), total_of(series)
        if total is None:
            return [own]
        total_key = self._series(app, total)
        return [] if total_key is None else [own, (app, total_key, TOGETHER)]

    def _series(self, app: int, series: Series) -> int | None:
        key = self._writer.series(app, series)
        if key is None:
            self._refusals.add("the app has too many series")
        return key

    def _parts(self, difference: Difference, seed: int, patience_ns: int) -> list[tuple[Part, bool]]:
        until_ns = self._not_after_now(difference.until_ns)
        since_ns = min(difference.since_ns, until_ns)
        if until_ns - since_ns <= _LONG_NS:
            whole = Part(until_ns // NANOSECONDS, difference.n, difference.total, difference.cells)
            return [(whole, False)]
        late = until_ns - since_ns > patience_ns
        placed = difference._replace(since_ns=since_ns, until_ns=until_ns)
        return [(part, late) for part in spread(placed, seed)]

    def _not_after_now(self, time_ns: int) -> int:
        # A clock ahead of ours must not put numbers where no window looks.
        return min(time_ns, self._now_ns)
