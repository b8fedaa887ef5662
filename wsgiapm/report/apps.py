# SPDX-License-Identifier: Apache-2.0
"""GET /api/v1/apps: which apps report."""

from __future__ import annotations

from typing import Any

from wsgiapm.report.question import Question


def list_apps(question: Question) -> dict[str, Any]:
    """Return every app; ``instances`` are those heard of in the window."""
    window = question.window()
    wanted = question.parameters.get("app")
    environment = question.parameters.get("environment")
    active: dict[int, int] = {}
    for sighting in question.reader.sightings():
        if sighting.last_seen >= window.first and sighting.first_seen < window.end:
            active[sighting.app] = active.get(sighting.app, 0) + 1
    entries: dict[str, dict[str, Any]] = {}
    for app in question.reader.apps():
        if wanted not in (None, app.name) or environment not in (None, app.environment):
            continue
        entry = entries.setdefault(app.name, {"name": app.name, "environments": [], "instances": 0, "last_seen": 0})
        if app.environment:
            entry["environments"].append(app.environment)
        entry["instances"] += active.get(app.id, 0)
        entry["last_seen"] = max(entry["last_seen"], app.last_seen)
    return {"apps": list(entries.values())}
