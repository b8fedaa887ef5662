# SPDX-License-Identifier: Apache-2.0
"""Django: the route is what the URL resolver matched."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from wsgiapm.instruments._patch import Patch

MODULE = "django"
VERSIONS = ">=4.2,<6"

_GROUP = re.compile(r"\(\?P<(\w+)>(?:[^()\\]|\\.|\((?:[^()\\]|\\.)*\))*\)")


@lru_cache(maxsize=2048)
def readable_route(route: str) -> str:
    """Return a route with a leading slash; regular expressions lose their anchors and named groups become `<name>`.

    `walks/<int:pk>/` becomes `/walks/<int:pk>/`, `^walks/(?P<pk>[0-9]+)/$` becomes `/walks/<pk>/`.
    """
    if "(?P<" in route:
        route = _GROUP.sub(r"<\1>", route)
    route = route.replace("^", "").removesuffix("$").removesuffix("\\Z").replace("\\.", ".").replace("\\-", "-")
    return route if route.startswith("/") else "/" + route


def _matched(_handler: Any, args: tuple[Any, ...], kwargs: dict[str, Any], match: Any) -> str | None:
    request = args[0] if args else kwargs["request"]
    route = getattr(match, "route", None)
    if route is None:
        return None
    script = str(request.META.get("SCRIPT_NAME", ""))
    return script.rstrip("/") + readable_route(route)


PATCHES = (Patch("django.core.handlers.base", "BaseHandler.resolve_request", _matched),)
