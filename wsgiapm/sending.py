# SPDX-License-Identifier: Apache-2.0
"""The time a response is in the server's hands while the app has more of it: slow clients, full buffers.

It belongs to the component `response`. A response that is handed over whole has none, for it is done with then.
"""

from __future__ import annotations

from wsgiapm.breakdown import Breakdown
from wsgiapm.clock import monotonic_ns
from wsgiapm.span import RESPONSE, Operation, Span
from wsgiapm.transaction import Transaction

_SENDING = Operation("send", RESPONSE)


def hand_over(transaction: Transaction) -> Span | None:
    """Let the server have a piece of the response from now on; None when the transaction has ended."""
    breakdown = transaction.breakdown
    if breakdown is None:
        if transaction.recorder is None:
            return None
        breakdown = transaction.breakdown = Breakdown(transaction.recorder.operations)
    span = Span(_SENDING, breakdown, None, monotonic_ns())
    breakdown.open(span)
    return span


def take_back(span: Span) -> None:
    """Let the app go on."""
    span.breakdown.close(span, monotonic_ns())
