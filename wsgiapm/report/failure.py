# SPDX-License-Identifier: Apache-2.0
"""Errors of the JSON API: what was wrong, where, and what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import falcon


def serialize_failure(_req: falcon.Request, resp: falcon.Response, failure: falcon.HTTPError) -> None:
    """Write an error into the response as ``{"error": {"status", "message"}}``."""
    message = failure.description or failure.title or ""
    resp.content_type = "application/json"
    resp.cache_control = ["no-store"]
    resp.data = json.dumps({"error": {"status": failure.status_code, "message": message}}).encode()
