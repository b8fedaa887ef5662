# SPDX-License-Identifier: Apache-2.0
"""Sentry with every request traced; events are built in the request's thread and thrown away, not encoded."""

# Not installed where types are checked.
# mypy: disable-error-code="import-not-found, import-untyped, misc, no-untyped-call"

from __future__ import annotations

from typing import Any

import sentry_sdk
from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware
from sentry_sdk.transport import Transport

_transactions = 0


class _Null(Transport):
    def capture_envelope(self, envelope: Any) -> None:
        global _transactions  # noqa: PLW0603
        _transactions += sum(item.type == "transaction" for item in envelope.items)


def wrap(app: Any) -> Any:
    sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", traces_sample_rate=1.0, transport=_Null)
    return SentryWsgiMiddleware(app)


def recorded() -> int:
    return _transactions
