# SPDX-License-Identifier: Apache-2.0
"""What was sent beside what was recorded, in total, by status code and by route: the demo's proof."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

_SAMPLE = re.compile(r"^http_server_request_duration_seconds_count\{(?P<labels>.*)\} (?P<value>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


class Account(NamedTuple):
    """The requests that somebody counted; each of the three as told, not as added up, where it is told."""

    total: int
    statuses: dict[str, int]
    routes: dict[tuple[str, str], int]


def from_traffic(books: Mapping[str, Any]) -> Account:
    """What traffic.py sent and got an answer to."""
    routes = {(route, status): n for route, statuses in books["routes"].items() for status, n in statuses.items()}
    return Account(books["answered"], _by_status(routes), routes)


def from_report(summary: Mapping[str, Any], transactions: Mapping[str, Any]) -> Account:
    """What the report shows: /api/v1/summary for the totals, /api/v1/transactions for the routes."""
    routes = {
        (transaction["name"], status): n
        for transaction in transactions["transactions"]
        for status, n in transaction["status_codes"].items()
    }
    return Account(summary["requests"], dict(summary["status_codes"]), routes)


def from_metrics(text: str) -> Account:
    """What `wsgiapm metrics` prints, straight from the shared memory."""
    routes: Counter[tuple[str, str]] = Counter()
    for sample in _SAMPLE.finditer(text):
        labels = {name: _unescaped(value) for name, value in _LABEL.findall(sample["labels"])}
        routes[labels.get("http_route", ""), labels.get("http_response_status_code", "")] += int(float(sample["value"]))
    return Account(routes.total(), _by_status(routes), dict(routes))


def table(accounts: Mapping[str, Account]) -> str:
    """The accounts side by side: a row per route and status, then per status, then all; a word where they differ."""
    routes = sorted({key for account in accounts.values() for key in account.routes})
    statuses = sorted({status for account in accounts.values() for status in account.statuses})
    width = max([len(route) for route, _ in routes] + [len("route")])
    rows = [
        (route, status, [account.routes.get((route, status), 0) for account in accounts.values()])
        for route, status in routes
    ]
    rows += [("", status, [account.statuses.get(status, 0) for account in accounts.values()]) for status in statuses]
    rows += [("all", "", [account.total for account in accounts.values()])]
    head = f"{'route':{width}}  status" + "".join(f"{name:>10}" for name in accounts)
    return "\n".join([head, *(_line(route, status, numbers, width) for route, status, numbers in rows)])


def are_equal(accounts: Mapping[str, Account]) -> bool:
    """Whether nobody counted anything that another did not."""
    first, *others = (
        Account(account.total, _without_zeros(account.statuses), _without_zeros(account.routes))
        for account in accounts.values()
    )
    return all(other == first for other in others)


def _without_zeros(counts: Mapping[Any, int]) -> dict[Any, int]:
    return {key: n for key, n in counts.items() if n}


def _line(route: str, status: str, numbers: list[int], width: int) -> str:
    mark = "" if len(set(numbers)) == 1 else "  differ"
    return f"{route:{width}}  {status:>6}" + "".join(f"{number:>10,}" for number in numbers) + mark


def _by_status(routes: Mapping[tuple[str, str], int]) -> dict[str, int]:
    statuses: Counter[str] = Counter()
    for (_, status), n in routes.items():
        statuses[status] += n
    return dict(statuses)


def _unescaped(value: str) -> str:
    return re.sub(r"\\.", lambda escape: _ESCAPES.get(escape[0], escape[0]), value)
