# SPDX-License-Identifier: Apache-2.0
"""CherryPy: it has no templates, so the route is the path to the handler; what the handler is given of it is one `*`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from wsgiapm.instruments._patch import STATIC, Patch
from wsgiapm.route import decode_path, shorten

MODULE = "cherrypy"
DISTRIBUTION = "CherryPy"
VERSIONS = ">=18,<19"
RECORDS = "route and handler, also of mounted apps"


@lru_cache(maxsize=1024)
def _readable(script: str, path: str, given: int) -> str:
    if given:
        path = "/".join(["", *filter(None, path.strip("/").split("/")[:-given]), "*"])
    return script + shorten(path)  # an object that takes segments out of the path may have taken ids


def _dispatched(request: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any], _: Any) -> tuple[str, object] | None:
    handler = request.handler
    view = getattr(handler, "callable", None)
    if view is None:
        return (STATIC, None) if request.config.get("tools.staticdir.on") else None
    return _readable(decode_path(request.script_name), request.path_info, len(handler.args)), view


PATCHES = (Patch("cherrypy._cprequest", "Request.get_resource", _dispatched),)
