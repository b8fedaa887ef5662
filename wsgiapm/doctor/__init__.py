# SPDX-License-Identifier: Apache-2.0
"""The doctor: everything that can make data go missing on this machine, each with its remedy.

It reads the live files, so it can run beside a running app, and changes nothing.
"""

from __future__ import annotations

from wsgiapm.aggregate.mappings import find_counting
from wsgiapm.config import Resolved, shared_directory
from wsgiapm.doctor import alone, delivery, directory, place, settings
from wsgiapm.doctor.finding import Finding, Patient

__all__ = ["Finding", "examine"]

_EXAMINATIONS = (settings.examine, place.examine, directory.examine, alone.examine, delivery.examine)


def examine(resolved: Resolved, path: str = "") -> list[Finding]:
    """Return all findings for these settings, in the order of the way the data goes.

    `path` is the shared directory, by default the one the settings lead to.
    """
    counting = list(find_counting())
    patient = Patient(resolved, path or shared_directory(resolved.settings), bool(path), counting)
    return [finding for look in _EXAMINATIONS for finding in look(patient)]
