# SPDX-License-Identifier: Apache-2.0
"""The gate between instruments and the libraries: the only module that knows wrapt.

A patch is data. It is installed at the first import of its library, once, and undone exactly.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from wsgiapm.transaction import current_transaction

if TYPE_CHECKING:
    from types import ModuleType

STATIC = "(static)"
"""The route of files that are served as they are."""

Name = Callable[[Any, tuple[Any, ...], dict[str, Any], Any], str | None]


class Patch(NamedTuple):
    """One method that tells a route: `name(instance, args, kwargs, result)` is asked after each call in a transaction."""

    module: str
    target: str
    name: Name


class _Installed(NamedTuple):
    holder: Any
    attribute: str
    original: Any
    own: bool


_installed: dict[Patch, _Installed | None] = {}


def _wrap(patch: Patch, failed: Callable[[], None]) -> Callable[..., Any]:
    def wrapper(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = wrapped(*args, **kwargs)
        transaction = current_transaction()
        if transaction is not None and transaction.name is None:
            try:
                name = patch.name(instance, args, kwargs, result)
                if name is not None:
                    transaction.name = name
            except Exception:  # a gate
                failed()
        return result

    return wrapper


def install(patches: tuple[Patch, ...], failed: Callable[[], None]) -> None:
    """Install patches, now where the library has been imported, else when it is."""
    import wrapt  # noqa: PLC0415  # it imports asyncio, which has to wait for gevent's patches

    for patch in patches:
        if patch in _installed:
            continue
        _installed[patch] = None
        wrapt.register_post_import_hook(partial(_apply, patch, failed), patch.module)


def _apply(patch: Patch, failed: Callable[[], None], module: ModuleType) -> None:
    import wrapt  # noqa: PLC0415

    if patch not in _installed or _installed[patch] is not None:
        return
    try:
        holder, attribute, original = wrapt.resolve_path(module, patch.target)
        own = attribute in vars(holder)
        wrapt.apply_patch(holder, attribute, wrapt.FunctionWrapper(original, _wrap(patch, failed)))
        _installed[patch] = _Installed(holder, attribute, original, own)
    except AttributeError:  # another version of the library: it has no such thing
        return
    except Exception:  # a gate: this runs within the app's import
        failed()


def undo() -> None:
    """Put everything back as it was; what was inherited is inherited again."""
    for installed in _installed.values():
        if installed is not None:
            if installed.own:
                setattr(installed.holder, installed.attribute, installed.original)
            else:
                delattr(installed.holder, installed.attribute)
    _installed.clear()


def is_imported(module: str) -> bool:
    """Tell whether the app has imported a library."""
    return module in sys.modules
