# SPDX-License-Identifier: Apache-2.0
"""Settings that are not what somebody meant."""

from __future__ import annotations

from collections.abc import Iterator

from wsgiapm.doctor.finding import Finding, Patient


def examine(patient: Patient) -> Iterator[Finding]:
    """Report every bad value, and an agent that is switched off."""
    for problem in patient.resolved.problems:
        remedy = "correct it; until then its default is used. `wsgiapm check-config` shows what is in force"
        yield Finding("bad-setting", "warning", problem.message, remedy)
    if not patient.resolved.settings.enabled:
        origin = patient.resolved.origins["enabled"]
        yield Finding("disabled", "warning", f"nothing is recorded: enabled is off ({origin})", "set enabled to true")
    if not patient.resolved.settings.endpoint:
        origin = patient.resolved.origins["endpoint"]
        message = f"nothing is uploaded: endpoint is empty ({origin})"
        yield Finding("no-endpoint", "info", message, "set endpoint if a report is wanted")
