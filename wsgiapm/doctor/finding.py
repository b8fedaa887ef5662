# SPDX-License-Identifier: Apache-2.0
"""What the doctor says: one finding, and what it examines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from wsgiapm.config import Resolved

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: a stable name, how bad it is, what it is and where, and what to do about it."""

    id: str
    severity: Severity
    message: str
    remedy: str = ""


class Patient(NamedTuple):
    """What is examined: the settings as they were found, and the shared directory they lead to."""

    resolved: Resolved
    path: str
