# SPDX-License-Identifier: Apache-2.0
"""Delivering events: those of all journals, and the one that says that routes were left out."""

from __future__ import annotations

from wsgiapm.aggregate.instance import Instance
from wsgiapm.aggregate.journal import Event
from wsgiapm.aggregate.mailbox import note_delivered, read_mail
from wsgiapm.aggregate.resource import Resource
from wsgiapm.exporters.events import encode_events
from wsgiapm.otlp import LOGS_PATH
from wsgiapm.series_limit import SeriesLimit
from wsgiapm.uploader import Uploader


def find_events(instance: Instance, resource: Resource) -> list[Event]:
    """Return what would be sent now; raises OSError."""
    if instance.directory is None:
        return []
    told = SeriesLimit(instance, resource).find_event()
    return [*read_mail(instance.directory, instance.header.epoch).events, *([] if told is None else [told])]


def deliver_events(instance: Instance, resource: Resource, uploader: Uploader) -> None:
    """Send what nobody has delivered yet. Only who leads may; raises OSError."""
    directory = instance.directory
    if directory is None:
        return
    mail = read_mail(directory, instance.header.epoch)
    limit = SeriesLimit(instance, resource)
    told = limit.find_event()
    events = mail.events if told is None else [*mail.events, told]
    if events:
        outcome = uploader.send(LOGS_PATH, encode_events(resource.attributes(instance.header), events))
        if outcome.kind == "retry":  # refused for good is refused for ever
            return
    note_delivered(directory, mail)
    if told is not None:
        limit.note_delivered(told)
