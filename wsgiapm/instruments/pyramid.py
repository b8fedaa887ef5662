# SPDX-License-Identifier: Apache-2.0
"""Pyramid: the route is the pattern that matched. What is found by traversal has none; its view is known all the same."""

from __future__ import annotations

from typing import Any

from wsgiapm.instruments._patch import STATIC, Patch
from wsgiapm.instruments._routes import mounted

MODULE = "pyramid"
VERSIONS = ">=2,<3"
RECORDS = "route and view; the view alone for traversal"


def _matched(_mapper: Any, args: tuple[Any, ...], _kwargs: dict[str, Any], result: Any) -> tuple[str, object] | None:
    route = result["route"]
    if route is None:
        return None
    if route.name.startswith("__") and route.pattern.endswith("*subpath"):  # as `add_static_view` names them
        return STATIC, None
    return mounted(args[0].environ.get("SCRIPT_NAME", ""), route.pattern), None


def _found(_registry: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any], result: Any) -> tuple[None, object] | None:
    # Where there are several for one route, their predicates decide when they are called: it is not known here.
    return (None, getattr(result[0], "__original_view__", None)) if result else None


PATCHES = (
    Patch("pyramid.urldispatch", "RoutesMapper.__call__", _matched),
    Patch("pyramid.view", "_find_views", _found),
)
