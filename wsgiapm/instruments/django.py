# SPDX-License-Identifier: Apache-2.0
"""Django: the route is what the URL resolver matched."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from wsgiapm.instruments._patch import STATIC, Call, Patch
from wsgiapm.instruments._templates import rendering

if TYPE_CHECKING:
    from wsgiapm.span import Operation

MODULE = "django"
VERSIONS = ">=4.2,<6"
DISTRIBUTION = "Django"
RECORDS = "route and view; name of each template, includes and all"

_STATIC_VIEWS = {"django.contrib.staticfiles.views", "django.views.static"}
_NAMED_GROUP = re.compile(r"\(\?P<(\w+)>")
# What has to be told apart in order to find the end of a group: an escape, a character class, a parenthesis.
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()]", re.DOTALL)
# Anchors, but not the first sign of a character class, nor what is escaped.
_ANCHOR = re.compile(r"(?<![\[\\])\^|(?<!\\)\$$|\\[AbBZ]")
_ESCAPED = re.compile(r"\\([^\w\s])")


def _end_of_group(route: str, start: int) -> int:
    depth = 0
    for token in _TOKEN.finditer(route, start):
        depth += (token[0] == "(") - (token[0] == ")")
        if not depth:
            return token.end()
    return len(route)


def _name_groups(route: str) -> str:
    group = _NAMED_GROUP.search(route)
    while group is not None:
        route = f"{route[: group.start()]}<{group[1]}>{route[_end_of_group(route, group.start()) :]}"
        group = _NAMED_GROUP.search(route)
    return route


@lru_cache(maxsize=2048)
def readable_route(route: str) -> str:
    """Return a route with a leading slash; regular expressions lose their anchors and named groups become `<name>`.

    `walks/<int:pk>/` becomes `/walks/<int:pk>/`, `^walks/(?P<pk>[0-9]+)/$` becomes `/walks/<pk>/`.
    """
    route = _ESCAPED.sub(r"\1", _ANCHOR.sub("", _name_groups(route)))
    return route if route.startswith("/") else "/" + route


def _matched(_handler: Any, args: tuple[Any, ...], kwargs: dict[str, Any], match: Any) -> tuple[str, object] | None:
    request = args[0] if args else kwargs["request"]
    route = getattr(match, "route", None)
    if route is None:
        return None
    view = match.func
    if getattr(view, "__module__", None) in _STATIC_VIEWS:
        return STATIC, view
    script = request.META.get("SCRIPT_NAME", "")
    route = readable_route(str(route))
    return (str(script).rstrip("/") + route if script else route), view


def _rendered(template: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation:
    return rendering(template.name)


PATCHES = (
    Patch("django.core.handlers.base", "BaseHandler.resolve_request", _matched),
    Call("django.template.base", "Template.render", _rendered),
)
