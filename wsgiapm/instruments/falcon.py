# SPDX-License-Identifier: Apache-2.0
"""Falcon: the route is the template that matched; a sink has none."""

from __future__ import annotations

from typing import Any

from wsgiapm.instruments._patch import STATIC, Patch
from wsgiapm.instruments._routes import mounted

MODULE = "falcon"
VERSIONS = ">=3,<5"
RECORDS = "route and responder"


def _matched(_app: Any, args: tuple[Any, ...], _kwargs: dict[str, Any], result: Any) -> tuple[str, object] | None:
    responder, _, resource, template = result
    if resource is None:
        return (STATIC, None) if type(responder).__name__.startswith("StaticRoute") else None
    if template is None:  # a router of the app's own
        return None
    return mounted(args[0].env.get("SCRIPT_NAME", ""), template), responder


PATCHES = (Patch("falcon.app", "App._get_responder", _matched),)
