# SPDX-License-Identifier: Apache-2.0
"""Where in the app's code the database is called too slowly, or again and again: one event an hour for each statement.

The place is looked up while the caller still waits, and only in those moments. The event waits for the harvest thread: a
request writes no file.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from wsgiapm import clock
from wsgiapm.aggregate import layout, schema
from wsgiapm.aggregate.instance import Instance
from wsgiapm.breakdown import REPEATED, Breakdown
from wsgiapm.call_site import Site, find_site
from wsgiapm.span import DB, Operation, identify

EVENT = "wsgiapm.sql.site"
SLOW, N_PLUS_ONE = "slow", "n_plus_one"
_HOUR = 3600 * 1_000_000_000
_KNOWN_AT_MOST = 4000
_LONGEST_FILE = 500
_LONGEST_FUNCTION = 200


class Noticed(NamedTuple):
    """One call that was too slow, or one too many; `duration` in nanoseconds."""

    operation: Operation
    reason: str
    site: Site
    duration: int


class Sites:
    """Takes notice of calls in this process, and tells of them."""

    def __init__(self, instance: Instance) -> None:
        """Nothing is told before a transaction has ended."""
        self._instance = instance
        self._told: dict[tuple[str, str], int] = {}

    def notice(self, breakdown: Breakdown, operation: Operation, count: int, duration: int, slow: int) -> None:
        """Remember where a call came from that took `slow` nanoseconds or more, or is the `REPEATED`th."""
        if operation.component != DB or self._instance.journal is None:
            return
        reasons = [SLOW] if duration >= slow else []
        if count == REPEATED:
            reasons.append(N_PLUS_ONE)
        due = [reason for reason in reasons if self._is_due(identify(operation), reason)]
        site = find_site() if due else None
        if site is None:
            return
        if breakdown.noticed is None:
            breakdown.noticed = []
        breakdown.noticed += [Noticed(operation, reason, site, duration) for reason in due]

    def _is_due(self, operation: str, reason: str) -> bool:
        now = clock.monotonic_ns()
        last = self._told.get((operation, reason))
        if last is not None and now - last < _HOUR:
            return False
        if len(self._told) >= _KNOWN_AT_MOST:
            self._told.clear()
        self._told[operation, reason] = now
        return True

    def tell(self, breakdown: Breakdown, scope: str, route: str) -> None:
        """Tell of what was noticed in a transaction, now that it has ended and all its calls are known.

        `scope` is the attribute that names the transaction.
        """
        noticed, breakdown.noticed = breakdown.noticed, None
        journal = self._instance.journal
        for each in noticed or ():
            if journal is not None:
                journal.post(layout.SQL_EVENT, self._payload(each, breakdown, scope, route))

    def _payload(self, noticed: Noticed, breakdown: Breakdown, scope: str, route: str) -> bytes:
        operation, reason, site, duration = noticed
        count = 1
        if reason == N_PLUS_ONE:
            calls = breakdown.calls[operation]
            count, duration = calls.count, calls.duration
        seconds = round(duration / 1_000_000_000, 9)
        place = f"{site.file}:{site.line} in {site.function}"
        many = f"was called {count} times in one transaction" if reason == N_PLUS_ONE else "was slow"
        body = f"{operation.name} {many}, {seconds:.3f} s, at {place[-_LONGEST_FILE:]} ({route})"
        attributes = {
            schema.OPERATION: identify(operation),
            "reason": reason,
            scope: route,
            "code.file.path": site.file[-_LONGEST_FILE:],
            "code.line.number": site.line,
            "code.function.name": site.function[:_LONGEST_FUNCTION],
            "calls": count,
            "seconds": f"{seconds:.9f}",  # an event's attributes are texts and integers
            "worker": self._instance.segment.number,
        }
        return json.dumps({"event": EVENT, "body": body, "attributes": attributes}).encode()
