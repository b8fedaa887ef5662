# SPDX-License-Identifier: Apache-2.0
"""Jinja2: each template that is rendered, and, where it is rendered in one go, each one it includes.

A template that another one extends has no time of its own: its blocks are the other's. Of a stream only the whole is
known: a look at the clock for each piece of each template in it would cost more than it tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any

from wsgiapm.instruments._patch import Call, Exchange, Failed, innermost, spanning
from wsgiapm.instruments._templates import is_rendering, rendering, streaming

if TYPE_CHECKING:
    from wsgiapm.span import Operation

MODULE = "jinja2"
DISTRIBUTION = "Jinja2"
VERSIONS = ">=3,<4"
RECORDS = "name of each template, includes and all; of streams the template itself"


def _rendered(template: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation:
    return rendering(template.name)


def _streamed(template: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation:
    return streaming(template.name)


def _made(original: Callable[..., Any], failed: Failed) -> Callable[..., Any]:
    @wraps(original)
    def make(cls: Any, environment: Any, *args: Any, **kwargs: Any) -> Any:
        template = original(cls, environment, *args, **kwargs)
        if not environment.is_async:
            template.root_render_func = _included(template.name, template.root_render_func, failed)
        return template

    return make


def _included(name: str | None, render: Callable[..., Iterator[str]], failed: Failed) -> Callable[..., Iterator[str]]:
    operation = rendering(name)

    @wraps(render)
    def root(context: Any, *args: Any, **kwargs: Any) -> Iterator[str]:
        outer = innermost()
        if outer is None or outer.operation is operation or not is_rendering(outer.operation) or context.name != name:
            return render(context, *args, **kwargs)
        return spanning(render(context, *args, **kwargs), operation, failed)

    return root


PATCHES = (
    Call("jinja2.environment", "Template.render", _rendered),
    Call("jinja2.environment", "Template.render_async", _rendered),
    Call("jinja2.environment", "Template.generate", _streamed),
    Call("jinja2.nativetypes", "NativeTemplate.render", _rendered),
    Exchange("jinja2.environment", "Template._from_namespace", _made),
)
