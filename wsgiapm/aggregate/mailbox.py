# SPDX-License-Identifier: Apache-2.0
"""The mailbox: the unread events of all journals of a directory, for the leader to deliver."""

from __future__ import annotations

import os

from wsgiapm.aggregate import journal
from wsgiapm.aggregate.directory import SharedDirectory
from wsgiapm.aggregate.journal import Event
from wsgiapm.errors import SharedDirectoryError
from wsgiapm.named_tuple import NamedTuple

_PREFIX = "journal-"


class Mail(NamedTuple):
    """Unread events in the order of their time, and up to where each journal has been read, by its number."""

    events: list[Event]
    ends: dict[int, int]


def read_mail(directory: SharedDirectory, epoch: bytes) -> Mail:
    """Return what nobody has delivered yet; a journal that cannot be read is passed over."""
    events: list[Event] = []
    ends: dict[int, int] = {}
    for name in os.listdir(directory.descriptor):
        number = name.removeprefix(_PREFIX)
        if name.startswith(_PREFIX) and number.isdigit():
            try:
                unread = journal.read_events(directory, int(number), epoch)
            except (OSError, SharedDirectoryError):
                continue
            events += unread.events
            if unread.events or (unread.damaged and unread.end):  # what nobody can read would be in the way for ever
                ends[int(number)] = unread.end
    return Mail(sorted(events, key=lambda event: event.time), ends)


def note_delivered(directory: SharedDirectory, mail: Mail) -> None:
    """Free the room of events that have been delivered. Only the leader may; raises OSError."""
    for number, end in mail.ends.items():
        journal.consume(directory, number, end)
