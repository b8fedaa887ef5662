# SPDX-License-Identifier: Apache-2.0
"""What would be uploaded if it were now: the same bytes, made by the same functions, and sent to nobody."""

from __future__ import annotations

from wsgiapm.aggregate.instance import observe
from wsgiapm.aggregate.merge import take_snapshot
from wsgiapm.aggregate.resource import Resource
from wsgiapm.config import Settings
from wsgiapm.event_delivery import find_events
from wsgiapm.exporters.events import encode_events
from wsgiapm.exporters.otlp import encode_metrics
from wsgiapm.harvest import make_uploader
from wsgiapm.named_tuple import NamedTuple
from wsgiapm.otlp import LOGS_PATH, METRICS_PATH


class Upload(NamedTuple):
    """One request: where to, the headers, and the body before it is compressed; the address is empty when nothing is sent."""

    address: str
    headers: dict[str, str]
    body: bytes
    path: str


def next_uploads(path: str, settings: Settings) -> list[Upload]:
    """Return what the next upload from a shared directory consists of; raises SharedDirectoryError and OSError."""
    instance = observe(path)
    try:
        resource = Resource(settings.service_version)
        bodies = {METRICS_PATH: encode_metrics(take_snapshot(instance, resource))}
        events = find_events(instance, resource)
        if events:
            bodies[LOGS_PATH] = encode_events(resource.attributes(instance.header), events)
    finally:
        instance.close()
    uploader = make_uploader(settings)
    headers = {} if uploader is None else uploader.headers()
    return [
        Upload(settings.endpoint + path if settings.endpoint else "", headers, body, path)
        for path, body in bodies.items()
    ]
