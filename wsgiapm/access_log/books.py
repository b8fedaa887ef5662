# SPDX-License-Identifier: Apache-2.0
"""Our side of the reconciliation: what the shared directory, or the server, says of a span of time."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from wsgiapm.aggregate.merge import merge
from wsgiapm.aggregate.schema import (
    ABORTED_REQUESTS,
    CLIENT_DISCONNECTS,
    REQUEST_DURATION,
    RESPONSE_SIZE,
    ROUTE,
    STATUS,
)
from wsgiapm.aggregate.snapshot import HistogramPoint, NumberPoint, Snapshot
from wsgiapm.errors import ConfigError, WsgiapmError

_TIMEOUT = 30.0
_SECOND = 1_000_000_000


class Books(NamedTuple):
    """What we have counted from `start` to `end`, epoch seconds. `sizes` are None when they are not known by route."""

    counts: Counter[tuple[str, int | None]]
    sizes: Counter[str] | None
    aborted: Counter[str]
    disconnects: Counter[str]
    start: float
    end: float


def read_directory(path: str) -> Books:
    """Return everything counted in a shared directory since it began; raises `SharedDirectoryError`."""
    return read_snapshot(merge(path))


def read_snapshot(snapshot: Snapshot) -> Books:
    """Return what a snapshot says."""
    counts: Counter[tuple[str, int | None]] = Counter()
    by_route: dict[str, Counter[str]] = {
        name: Counter() for name in (RESPONSE_SIZE, ABORTED_REQUESTS, CLIENT_DISCONNECTS)
    }
    for family in snapshot.families:
        for point in family.points:
            attributes = dict(point.attributes)
            route = str(attributes.get(ROUTE, ""))
            if family.name == REQUEST_DURATION and isinstance(point, HistogramPoint):
                status = attributes.get(STATUS)
                counts[route, None if status is None else int(status)] += point.count
            elif family.name in by_route and isinstance(point, NumberPoint):
                by_route[family.name][route] += int(point.value)
    start, end = snapshot.start_time_unix_nano / _SECOND, snapshot.time_unix_nano / _SECOND
    return Books(counts, by_route[RESPONSE_SIZE], by_route[ABORTED_REQUESTS], by_route[CLIENT_DISCONNECTS], start, end)


class Server:
    """The JSON API of `wsgiapm serve`, read with the view token."""

    def __init__(self, address: str, token: str, app: str, environment: str) -> None:
        """`address` is as `http://127.0.0.1:4318`."""
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ConfigError(f"{address!r} is no address of a server, such as http://127.0.0.1:4318")
        self._address = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._token = token
        self._named = {"app": app} | ({"environment": environment} if environment else {})

    def read(self, start: float, end: float) -> Books:
        """Return what the app counted in that span; raises WsgiapmError."""
        counts: Counter[tuple[str, int | None]] = Counter()
        aborted: Counter[str] = Counter()
        for entry in self._get("transactions", start, end)["transactions"]:
            if entry.get("kind", "web") == "web":
                for status, number in entry["status_codes"].items():
                    counts[entry["name"], int(status) if status.isdigit() else None] += number
                aborted[entry["name"]] += entry.get("aborted", 0)
        return Books(counts, None, +aborted, Counter(), start, end)

    def requests(self, start: float, end: float) -> int:
        """Return how many requests there were in that span."""
        return int(self._get("summary", start, end)["requests"])

    def _get(self, what: str, start: float, end: float) -> Any:
        from urllib.error import HTTPError, URLError  # noqa: PLC0415  # they draw ssl in, for this alone
        from urllib.request import Request, urlopen  # noqa: PLC0415

        query = urlencode({**self._named, "from": f"{start:.3f}", "to": f"{end:.3f}"})
        address = f"{self._address}/api/v1/{what}?{query}"
        request = Request(address, headers={"Authorization": f"Bearer {self._token}"})  # noqa: S310  # checked above
        try:
            with urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
                return json.load(answer)
        except HTTPError as error:
            with error:
                raise WsgiapmError(
                    f"{self._address} answered {error.code} to /api/v1/{what}: {_reason(error)}"
                ) from error
        except (URLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise WsgiapmError(
                f"{self._address} cannot be read: {reason}; is it the address of `wsgiapm serve`?"
            ) from error


def _reason(error: Any) -> str:
    if error.code in (401, 403):
        return "give its view token with --token-file"
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, KeyError, TypeError, OSError):
        return "is it the address of `wsgiapm serve`?"
