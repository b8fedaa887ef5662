# SPDX-License-Identifier: Apache-2.0
"""The figures of a set of calls of a database, all from the same rows; and where such a call goes."""

from __future__ import annotations

from collections import Counter
from typing import Any

from wsgiapm.report.figures import durations, is_error, rounded
from wsgiapm.store.model import NANOSECONDS, Amount, Attributes, Cells

# What tells one operation from another, by the name it has in the API.
_KEYS = {
    "system": "db.system.name",
    "operation": "db.operation.name",
    "namespace": "db.namespace",
    "collection": "db.collection.name",
    "server_address": "server.address",
    "server_port": "server.port",
}
Target = tuple[str | int | None, ...]
# By the names of the OpenTelemetry semantic conventions, older ones included.
_NO_SQL = frozenset(
    (
        "aws.dynamodb", "azure.cosmosdb", "cassandra", "cosmosdb", "couchbase", "couchdb", "dynamodb", "elasticsearch", "geode",
        "hbase", "influxdb", "memcached", "mongodb", "neo4j", "opensearch", "redis", "valkey",
    )
)  # fmt: skip


class Calls:
    """Adds up calls: how many, how many of them failed, and how long they took."""

    def __init__(self) -> None:
        self.count = 0
        self.errors = 0
        self.nanoseconds = 0.0
        self._cells: Counter[int] = Counter()

    def add(self, amount: Amount, attributes: Attributes) -> None:
        """Add calls of one series."""
        self.count += amount.n
        self.nanoseconds += amount.total
        if is_error(attributes):
            self.errors += amount.n

    def add_cells(self, cells: Cells) -> None:
        """Add part of the histogram of one series."""
        for bucket, count in cells.items():
            self._cells[bucket] += count

    def show(self) -> dict[str, Any]:
        """Return the figures as the API has them."""
        seconds = self.nanoseconds / NANOSECONDS
        mean = rounded(seconds / self.count) if self.count else None
        return {
            "calls": self.count,
            "errors": self.errors,
            "seconds": rounded(seconds),
            "duration": durations(self._cells, mean),
        }


def target_of(attributes: Attributes) -> Target:
    """Return where a call goes and what it does there."""
    return tuple(attributes.get(name) for name in _KEYS.values())


def show_target(target: Target) -> dict[str, Any]:
    """Return a target as the API has it; null for what is not known."""
    return dict(zip(_KEYS, target, strict=True))


def is_nosql(attributes: Attributes) -> bool:
    """Tell whether a call goes to a cache or a document store; what is not known is taken for SQL."""
    return attributes.get(_KEYS["system"]) in _NO_SQL
