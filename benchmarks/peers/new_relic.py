# SPDX-License-Identifier: Apache-2.0
"""New Relic's agent in developer mode: it records and harvests, and talks to nobody."""

# Not installed where types are checked.
# mypy: disable-error-code="import-not-found, import-untyped, misc, no-untyped-call"

from __future__ import annotations

import os
from typing import Any

os.environ.update(NEW_RELIC_DEVELOPER_MODE="true", NEW_RELIC_LICENSE_KEY="0" * 40, NEW_RELIC_APP_NAME="benchmark")
os.environ["NEW_RELIC_LOG"] = os.devnull

import newrelic.agent
from newrelic.core.agent import agent_instance


def wrap(app: Any) -> Any:
    newrelic.agent.initialize()
    newrelic.agent.register_application(timeout=10.0)
    return newrelic.agent.WSGIApplicationWrapper(app)


def recorded() -> int:
    """What it has counted since its last harvest (one a minute)."""
    return _count("HttpDispatcher")


def recorded_queries() -> int:
    """The same of queries."""
    return _count("Datastore/operation/SQLite/select")


def _count(metric: str) -> int:
    table = agent_instance().application("benchmark")._stats_engine.stats_table  # noqa: SLF001
    stats = table.get((metric, ""))
    return int(stats.call_count) if stats is not None else 0
