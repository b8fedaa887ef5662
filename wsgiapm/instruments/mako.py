# SPDX-License-Identifier: Apache-2.0
"""Mako: each template that is rendered, and each one that is included."""

from __future__ import annotations

from posixpath import dirname, join, normpath
from typing import TYPE_CHECKING, Any

from wsgiapm.instruments._patch import Call
from wsgiapm.instruments._templates import rendering

if TYPE_CHECKING:
    from wsgiapm.span import Operation

MODULE = "mako"
DISTRIBUTION = "Mako"
VERSIONS = ">=1.1,<2"
RECORDS = "name of each template, includes and all"


def _rendered(template: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation:
    uri = template.uri
    return rendering(None if uri.startswith("memory:") else uri)


def _included(_context: Any, args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation:
    uri, calling = args[:2]
    if uri.startswith("/") or not calling or calling.startswith("memory:"):
        return rendering(uri)
    return rendering(normpath(join(dirname(calling), uri)))


PATCHES = (
    Call("mako.runtime", "_render_context", _rendered),
    Call("mako.runtime", "_include_file", _included),
)
