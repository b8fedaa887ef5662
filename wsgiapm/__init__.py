# SPDX-License-Identifier: Apache-2.0
"""Application performance monitoring for Python web apps that run in several processes.

The public names are loaded when they are first used, so that `import wsgiapm` costs next to nothing and imports nothing
that gevent has yet to patch.
"""

from __future__ import annotations

import sys
from importlib import import_module

TYPE_CHECKING = False  # as in typing, which takes longer to import than all that is needed here
if TYPE_CHECKING:
    from wsgiapm.agent import APMMiddleware, stop
    from wsgiapm.background import background_task
    from wsgiapm.entry.frameworks import start
    from wsgiapm.own_span import span
    from wsgiapm.transaction import current_transaction
    from wsgiapm.version import VERSION as __version__  # noqa: N811

__all__ = ["APMMiddleware", "__version__", "background_task", "current_transaction", "span", "start", "stop"]

_HOMES = {
    "APMMiddleware": ("wsgiapm.agent", "APMMiddleware"),
    "__version__": ("wsgiapm.version", "VERSION"),
    "background_task": ("wsgiapm.background", "background_task"),
    "current_transaction": ("wsgiapm.transaction", "current_transaction"),
    "start": ("wsgiapm.entry.frameworks", "start"),
    "stop": ("wsgiapm.agent", "stop"),
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    if "uwsgi" in sys.modules:  # a module that only uwsgi has
        import_module("wsgiapm.uwsgi")
    module, attribute = _HOMES[name]
    value: object = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(type(sys)):  # type: ignore[misc]
    """This package. Its `span` is the public one, also when the sub-module of that name has been imported."""

    @property
    def span(self) -> object:
        """See `wsgiapm.own_span`."""
        return import_module("wsgiapm.own_span").span

    @span.setter
    def span(self, _module: object) -> None:
        """Take no notice of the import system, which enters each sub-module here."""


sys.modules[__name__].__class__ = _Package
