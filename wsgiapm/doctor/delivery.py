# SPDX-License-Identifier: Apache-2.0
"""The way to the server: its name, its port, the token."""

from __future__ import annotations

from collections.abc import Iterator

from wsgiapm.config import ingest_token
from wsgiapm.doctor.finding import Finding, Patient
from wsgiapm.otlp import METRICS_PATH
from wsgiapm.uploader import Uploader

_REFUSED = (401, 403)


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
    outcome = uploader.send(METRICS_PATH, b"")
    uploader.close()
    if outcome.status in _REFUSED:
        remedy = "set license_key to the server's ingest token; over plain http it is sent to this machine only"
        yield Finding("wrong-token", "error", outcome.message, remedy)
    elif outcome.kind == "retry":
        remedy = "start the server (wsgiapm serve), or correct endpoint, proxy or ca_file; counts are kept meanwhile"
        yield Finding("endpoint-refuses", "warning", outcome.message, remedy)
    elif outcome.kind == "rejected":
        remedy = "check that endpoint is the base address of an OTLP server"
        yield Finding("endpoint-refuses", "error", outcome.message, remedy)
    else:
        yield Finding("delivery", "info", f"{settings.endpoint} accepts uploads")
