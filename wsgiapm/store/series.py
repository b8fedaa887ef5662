# SPDX-License-Identifier: Apache-2.0
"""The identity of series, and of the totals that stand for those of all transactions together; pure."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING

from wsgiapm.store.model import DETAILED, Series

if TYPE_CHECKING:
    from wsgiapm.store.model import Attributes

# The attributes that say which transaction a series belongs to.
_TASK = "task"
_SCOPES = ("http.route", _TASK)
# The attribute that stands for a statement's text; in a series it has a digest of it. And the one that says which operation.
TEXT = "db.query.text"
OPERATION = "wsgiapm.operation"
# What a total's rows have in place of an instance.
TOGETHER = 0


def scope_of(attributes: Attributes) -> str:
    """Return the transaction a series belongs to, empty for one that belongs to none."""
    return next((str(attributes[name]) for name in _SCOPES if name in attributes), "")


def as_json(attributes: Attributes) -> str:
    """Return attributes as they are part of an identity: always the same for the same ones."""
    return json.dumps(attributes, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def series_key(series: Series) -> int:
    """Return the key of a series: 63 bits of a hash, so that collectors agree on it without asking each other."""
    identity = json.dumps(series if series.is_total else series[:-1], ensure_ascii=False)
    return int.from_bytes(blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1


def total_of(series: Series) -> Series | None:
    """Return the series that adds this one up with those of all other transactions.

    None for what belongs to no transaction, for gauges, which are not added, for details, which are never asked for so, and
    for background tasks: what is told of an app as a whole is told of its requests.
    """
    if not series.scope or series.kind == "gauge" or series.metric in DETAILED:
        return None
    named = json.loads(series.attributes)
    if _TASK in named:
        return None
    attributes = {name: value for name, value in named.items() if name not in _SCOPES}
    return series._replace(scope="", attributes=as_json(attributes), is_total=True)
