# SPDX-License-Identifier: Apache-2.0
"""The figures of a set of requests, all from the same rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from wsgiapm.report.quantiles import TOLERATING, apdex, count_up_to, highest, quantile
from wsgiapm.store.model import NANOSECONDS, Amount, Attributes

REQUESTS = "http.server.request.duration"
ZONES = "wsgiapm.apdex.requests"
ABORTED = "wsgiapm.aborted_requests"
COMPONENTS = "wsgiapm.component.time"
THRESHOLD = "wsgiapm.apdex.threshold"
DEFAULT_THRESHOLD_S = 0.5
# What the time of a request is divided into, in the order it is shown in.
COMPONENT_NAMES = ("python", "template", "db", "cache", "external", "messaging", "response")

_STATUS = "http.response.status_code"
_METHOD = "http.request.method"
_ERROR = "error.type"


class Figures:
    """Adds up requests: counts, status codes, durations, Apdex zones, components."""

    def __init__(self) -> None:
        self.requests = 0
        self.errors = 0
        self.aborted = 0
        self.late = 0
        self.seconds = 0.0
        self.status_codes: Counter[str] = Counter()
        self.methods: Counter[str] = Counter()
        self.zones: Counter[str] = Counter()
        self.components: defaultdict[str, float] = defaultdict(float)
        self.cells: Counter[int] = Counter()
        self.good_cells: Counter[int] = Counter()
        self._spread = False

    def add_requests(self, amount: Amount, attributes: Attributes) -> None:
        """Add requests of one series of the duration metric."""
        self.requests += amount.n
        self.late += int(amount.late)
        self.seconds += amount.total / NANOSECONDS
        self.status_codes[str(attributes.get(_STATUS, "none"))] += amount.n
        self.methods[str(attributes.get(_METHOD, "none"))] += amount.n
        if is_error(attributes):
            self.errors += amount.n

    def add_cell(self, bucket: int, count: int, attributes: Attributes) -> None:
        """Add part of the histogram of one series of the duration metric."""
        self.cells[bucket] += count
        if not is_error(attributes):
            self.good_cells[bucket] += count

    def add_zone(self, amount: Amount, attributes: Attributes) -> None:
        """Add requests of one Apdex zone."""
        self.zones[str(attributes.get("zone", ""))] += int(amount.total)

    def add_component(self, amount: Amount, attributes: Attributes) -> None:
        """Add time spent in one component."""
        self.components[str(attributes.get("component", ""))] += amount.total
        self._spread = self._spread or amount.late > 0

    def apdex(self, threshold_s: float) -> float | None:
        """Return the Apdex score, from the zones as they were counted or else from the durations."""
        counted = sum(self.zones.values())
        if counted:
            return apdex(self.zones["satisfied"], self.zones["tolerating"], counted)
        satisfied = count_up_to(self.good_cells, threshold_s)
        tolerating = count_up_to(self.good_cells, TOLERATING * threshold_s) - satisfied
        return apdex(satisfied, tolerating, self.requests)

    def durations(self) -> dict[str, float | None]:
        """Return mean, percentiles and maximum, in seconds."""
        return durations(self.cells, self.mean())

    def mean(self) -> float | None:
        """Return the mean duration in seconds."""
        return rounded(self.seconds / self.requests) if self.requests else None

    def breakdown(self) -> dict[str, float]:
        """Return the seconds each component takes of a request; all of them, or none if the sender tells of none."""
        counted = sum(self.components.values())
        if not self.requests or not counted:
            return {}
        # What came late was spread over the slots, each series for itself: in the proportions it fits the requests there.
        factor = self.seconds / counted if self._spread else 1 / NANOSECONDS
        names = (*COMPONENT_NAMES, *sorted(self.components.keys() - set(COMPONENT_NAMES)))
        return {name: round(self.components.get(name, 0) * factor / self.requests, 9) for name in names}

    def counts(self) -> dict[str, Any]:
        """Return the counts every answer has."""
        return {"requests": self.requests, "errors": self.errors, "aborted": self.aborted}


def durations(cells: Mapping[int, int], mean: float | None) -> dict[str, float | None]:
    """Return the mean, in seconds, with the percentiles and the maximum of a histogram."""
    return {
        "mean": mean,
        "p50": rounded(quantile(cells, 0.50)),
        "p75": rounded(quantile(cells, 0.75)),
        "p95": rounded(quantile(cells, 0.95)),
        "p99": rounded(quantile(cells, 0.99)),
        "max": rounded(highest(cells)),
    }


def is_error(attributes: Attributes) -> bool:
    """Whether the requests of a series are errors."""
    return _ERROR in attributes


def rounded(seconds: float | None) -> float | None:
    """Return a duration to the nanosecond."""
    return None if seconds is None else round(seconds, 9)


def sorted_counts(counts: Counter[str]) -> dict[str, int]:
    """Return counts by name, without empty ones."""
    return {name: count for name, count in sorted(counts.items()) if count}
