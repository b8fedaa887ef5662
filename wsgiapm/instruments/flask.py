# SPDX-License-Identifier: Apache-2.0
"""Flask: the route is the rule the request was matched to, blueprint prefix included."""

from __future__ import annotations

from typing import Any

from wsgiapm.instruments._patch import STATIC, Patch

MODULE = "flask"
VERSIONS = ">=2,<4"


def _matched(context: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any], _result: Any) -> str | None:
    request = context.request
    rule = getattr(request, "url_rule", None)
    if rule is None:
        return None
    if str(rule.endpoint).rpartition(".")[2] == "static" and "filename" in rule.arguments:
        return STATIC
    return str(request.root_path).rstrip("/") + str(rule.rule)


# The context that matches is the request's, from Flask 3.2 on the app's.
PATCHES = (
    Patch("flask.ctx", "RequestContext.match_request", _matched),
    Patch("flask.ctx", "AppContext.match_request", _matched),
)
