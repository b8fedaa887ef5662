# SPDX-License-Identifier: Apache-2.0
"""What the doctor says: one finding, and what it examines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from wsgiapm.aggregate.mappings import Counting
from wsgiapm.config import Resolved
from wsgiapm.doctor.catalogue import CATALOGUE, Severity


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: a stable name, how bad it is, what it is and where, and what to do about it."""

    id: str
    severity: Severity
    message: str
    remedy: str = ""


def found(name: str, message: str, remedy: str = "") -> Finding:
    """Return a finding of the catalogue; `remedy` is for where more is known than stands there."""
    entry = CATALOGUE[name]
    return Finding(name, entry.severity, message, remedy or entry.remedy)


class Patient(NamedTuple):
    """What is examined: the settings as they were found, and the shared directory they lead to.

    `named` tells that the directory was named, and so need not be that of the settings; `counting` are all processes of
    this machine that count, as far as they can be seen.
    """

    resolved: Resolved
    path: str
    named: bool
    counting: list[Counting]
