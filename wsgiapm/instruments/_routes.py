# SPDX-License-Identifier: Apache-2.0
"""Routes as they are shown: with everything that stands in front of them, and a leading slash."""

from __future__ import annotations

from functools import lru_cache

from wsgiapm.route import decode_path


@lru_cache(maxsize=4096)
def mounted(script: str, route: str) -> str:
    """Return a route below where its app is mounted; `script` is SCRIPT_NAME as it stands in the environ."""
    slash = "" if route.startswith("/") else "/"
    return decode_path(script).rstrip("/") + slash + route
