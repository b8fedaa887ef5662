# SPDX-License-Identifier: Apache-2.0
"""What a route of the JSON API is made of, and the parameters routes take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from wsgiapm.report.events import DEFAULT_LIMIT
from wsgiapm.report.question import LARGEST_LIMIT, Question
from wsgiapm.report.timeseries import CHARTS

Schema = dict[str, Any]

PARAMETERS: dict[str, tuple[str, Schema]] = {
    "app": ("the app's name; may be left out while there is only one", {"type": "string"}),
    "environment": ("one environment of the app; all of them by default", {"type": "string"}),
    "from": ("start of the window in epoch seconds; 30 minutes before its end by default", {"type": "number"}),
    "to": ("end of the window in epoch seconds; now by default", {"type": "number"}),
    "transaction": ("one transaction, by its name; all of them by default", {"type": "string"}),
    "limit": (
        f"how many at most; {DEFAULT_LIMIT} events and {LARGEST_LIMIT} statements by default",
        {"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT},
    ),
    "metric": ("what to show over time", {"type": "string", "enum": list(CHARTS)}),
}


class Route(NamedTuple):
    """A path of the JSON API: who answers, which parameters it takes, and what the answer is like."""

    path: str
    summary: str
    answer: Callable[[Question], dict[str, Any]]
    parameters: tuple[str, ...]
    schema: Schema
    required: tuple[str, ...] = ()
