# SPDX-License-Identifier: Apache-2.0
"""Settings that are not what somebody meant."""

from __future__ import annotations

from collections.abc import Iterator

from wsgiapm.doctor.finding import Finding, Patient, found


def examine(patient: Patient) -> Iterator[Finding]:
    """Report every bad value, and an agent that is switched off."""
    for problem in patient.resolved.problems:
        yield found("bad-setting", problem.message)
    origins = patient.resolved.origins
    if not patient.resolved.settings.enabled:
        yield found("disabled", f"nothing is recorded: enabled is off ({origins['enabled']})")
    if not patient.resolved.settings.endpoint:
        yield found("no-endpoint", f"nothing is uploaded: endpoint is empty ({origins['endpoint']})")
