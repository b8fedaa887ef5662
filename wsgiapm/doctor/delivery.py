# SPDX-License-Identifier: Apache-2.0
"""The way to the server: its name, its port, the token, its clock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from wsgiapm import clock
from wsgiapm.config import ingest_token
from wsgiapm.doctor.finding import Finding, Patient, found
from wsgiapm.otlp import METRICS_PATH
from wsgiapm.uploader import Outcome, Uploader

_REFUSED = (401, 403)
# A Date header has no parts of a second; what is below this is not worth a word.
_SKEW = 5.0


def examine(patient: Patient) -> Iterator[Finding]:
    """Send an empty upload, as a worker would, and report what is in its way."""
    settings = patient.resolved.settings
    if not settings.endpoint:
        return
    uploader = Uploader(
        settings.endpoint,
        token=lambda: ingest_token(settings),
        headers=settings.headers,
        proxy=settings.proxy,
        ca_file=settings.ca_file,
    )
    before = clock.time()
    outcome = uploader.send(METRICS_PATH, b"")
    after = clock.time()
    uploader.close()
    yield _judge(patient, outcome)
    skew = _skew(uploader.server_date, before, after)
    if abs(skew) >= _SKEW:
        direction = "ahead of" if skew > 0 else "behind"
        message = f"clock skew: the clock of {settings.endpoint} is {abs(skew):.0f} s {direction} that of this machine"
        yield found("clock-skew", message)


def _judge(patient: Patient, outcome: Outcome) -> Finding:
    endpoint = patient.resolved.settings.endpoint
    if outcome.status in _REFUSED:
        if _is_of_another_user(patient):
            message = f"{endpoint} answers; whether it takes the app's own token can be told as the app's user only"
            return found("delivery", message)
        return found("wrong-token", f"wrong token: {outcome.message}")
    if outcome.kind == "retry":
        return found("endpoint-refuses", outcome.message)
    if outcome.kind == "rejected":
        return found("no-otlp-server", outcome.message)
    return found("delivery", f"{endpoint} accepts uploads")


def _is_of_another_user(patient: Patient) -> bool:
    """Tell whether the app's token lies in the state directory of somebody else."""
    try:
        owner = os.stat(patient.path).st_uid
    except OSError:
        return False
    return owner != os.geteuid() and not patient.resolved.settings.license_key


def _skew(date: str, before: float, after: float) -> float:
    """Return by how many seconds the server is ahead (negative: behind), as far as its date is certain."""
    try:
        theirs = parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, OverflowError):
        return 0.0
    # The server wrote it between `before` and `after`, and cut the second short.
    if theirs > after:
        return theirs - after
    return min(theirs + 1 - before, 0.0)
