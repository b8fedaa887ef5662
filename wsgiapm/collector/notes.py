# SPDX-License-Identifier: Apache-2.0
"""Events that say something lasting about an operation; of these, the newest is kept and not each of them.

Where in the code a statement is and how the database carries it out are told again every hour: as a list of moments they
would be in the way of the workers that died.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wsgiapm.collector.refusal import RefusedError
from wsgiapm.store.model import Note
from wsgiapm.store.series import OPERATION

if TYPE_CHECKING:
    from wsgiapm.store.model import Event

SITE, PLAN = "wsgiapm.sql.site", "wsgiapm.sql.plan"
_LONGEST_KEY = 64


def is_note(event: Event) -> bool:
    """Whether an event is one of them."""
    return event.name in (SITE, PLAN)


def read_note(event: Event) -> Note:
    """Return what an event says.

    Raises:
        RefusedError: it does not say about which operation, or at unreasonable length.
    """
    attributes = json.loads(event.attributes)
    operation, reason = attributes.get(OPERATION), attributes.get("reason", "")
    if not isinstance(operation, str) or not operation or len(operation) > _LONGEST_KEY:
        msg = f"an event {event.name} has no {OPERATION}, or one of more than {_LONGEST_KEY} characters"
        raise RefusedError(msg)
    if not isinstance(reason, str) or len(reason) > _LONGEST_KEY:
        msg = f"the reason of an event {event.name} is no text, or longer than {_LONGEST_KEY} characters"
        raise RefusedError(msg)
    # One of each reason: where it was slow and where it was called again and again may be two places.
    return Note(operation, f"{event.name} {reason}".strip(), event.time_ns, event.attributes)
