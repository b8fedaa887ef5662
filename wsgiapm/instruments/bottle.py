# SPDX-License-Identifier: Apache-2.0
"""Bottle: the route is the rule that matched, which has the prefix of a mounted Bottle app in it.

Any other WSGI app that is mounted knows better what it is asked for, and its prefix is then in SCRIPT_NAME.
"""

from __future__ import annotations

from typing import Any

from wsgiapm.instruments._patch import Patch
from wsgiapm.instruments._routes import mounted

MODULE = "bottle"
VERSIONS = ">=0.12,<0.14"
RECORDS = "route and view, also of mounted apps"


def _matched(_router: Any, args: tuple[Any, ...], _kwargs: dict[str, Any], result: Any) -> tuple[str, object] | None:
    route = result[0]
    if getattr(route, "method", "PROXY") == "PROXY":
        return None
    return mounted(args[0].get("SCRIPT_NAME", ""), route.rule), route.callback


PATCHES = (Patch("bottle", "Router.match", _matched),)
