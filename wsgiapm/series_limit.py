# SPDX-License-Identifier: Apache-2.0
"""The event that says that routes were left out: how many requests went to `(other)` since, why, and examples.

At most once in an hour for each instance, whoever leads.
"""

from __future__ import annotations

import json

from wsgiapm import clock
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.instance import Instance
from wsgiapm.aggregate.journal import Event
from wsgiapm.aggregate.merge import take_snapshot
from wsgiapm.aggregate.resource import Resource
from wsgiapm.aggregate.schema import DROPPED
from wsgiapm.aggregate.snapshot import NumberPoint, Snapshot

EVENT = "wsgiapm.series.limit"
_HOUR = 3600 * 1_000_000_000
_SETTINGS = {"max_series": "max_series", "budget": "shared_max_bytes"}


def _count(snapshot: Snapshot) -> dict[str, int]:
    points = [p for family in snapshot.families if family.name == DROPPED for p in family.points]
    pairs = [(dict(p.attributes), p.value) for p in points if isinstance(p, NumberPoint)]
    return {str(names["reason"]): int(value) for names, value in pairs if names.get("what") == "series" and value}


class SeriesLimit:
    """Says when the event is due, as far as this instance is concerned."""

    def __init__(self, instance: Instance, resource: Resource) -> None:
        """The index of `instance` keeps when the last event was delivered, and how many requests it told of."""
        self._instance = instance
        self._resource = resource
        self._index = instance.index

    def find_event(self) -> Event | None:
        """Return the event that is to be delivered now, None when there is nothing new to tell, or it is too early.

        Raises OSError when the index cannot be read.
        """
        now = clock.time_ns()
        if not self._index.examples or 0 <= now - self._index.word(layout.TOLD_AT_OFFSET) < _HOUR:
            return None
        counts = _count(take_snapshot(self._instance, self._resource))
        total = sum(counts.values())
        if total <= self._index.word(layout.TOLD_OFFSET):
            return None
        names = list(dict.fromkeys(name for reason, name in self._index.examples if reason in counts))
        reasons = ", ".join(f"{value} for {reason}" for reason, value in sorted(counts.items()))
        settings = sorted({_SETTINGS[reason] for reason in counts if reason in _SETTINGS})
        body = (
            f"{total} requests are counted under (other) for want of a series ({reasons})"
            f"{', such as ' + ', '.join(names) if names else ''}"
            f"; find routes with ids in them{', or raise ' + ' or '.join(settings) if settings else ''}"
        )
        attributes = {"wsgiapm.requests": total, "wsgiapm.examples": json.dumps(names)}
        payload = json.dumps({"event": EVENT, "body": body, "attributes": attributes}).encode()
        return Event(layout.SERIES_LIMIT_EVENT, now, payload)

    def note_delivered(self, event: Event) -> None:
        """Remember that the event has been delivered; raises OSError."""
        self._index.set_word(layout.TOLD_OFFSET, json.loads(event.payload)["attributes"]["wsgiapm.requests"])
        self._index.set_word(layout.TOLD_AT_OFFSET, event.time)
