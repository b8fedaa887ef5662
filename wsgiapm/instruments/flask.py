# SPDX-License-Identifier: Apache-2.0
"""Flask: the route is the rule the request was matched to, blueprint prefix included."""

from __future__ import annotations

from typing import Any

from wsgiapm.instruments._patch import STATIC, Patch

MODULE = "flask"
VERSIONS = ">=2,<4"
RECORDS = "route and view, also of blueprints"


def _matched(context: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any], _result: Any) -> tuple[str, object] | None:
    request = context.request
    rule = getattr(request, "url_rule", None)
    if rule is None:
        return None
    endpoint = rule.endpoint
    view = context.app.view_functions.get(endpoint)
    if endpoint.endswith("static") and "filename" in rule.arguments and endpoint.rpartition(".")[2] == "static":
        return STATIC, view
    script = request.root_path
    return (str(script).rstrip("/") + rule.rule if script else rule.rule), view


# The context that matches is the request's, from Flask 3.2 on the app's.
PATCHES = (
    Patch("flask.ctx", "RequestContext.match_request", _matched),
    Patch("flask.ctx", "AppContext.match_request", _matched),
)
