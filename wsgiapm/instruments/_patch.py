# SPDX-License-Identifier: Apache-2.0
"""The gate between instruments and the libraries: the only module that knows wrapt.

A patch is data. It is installed at once where its library has been imported, else when it is; once, and undone exactly.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from wsgiapm.instruments._calls import (
    Act,
    Describe,
    Failed,
    Name,
    innermost,
    named,
    preceded,
    spanning,
    traced,
)
from wsgiapm.instruments._outgoing import Settle, settled
from wsgiapm.named_tuple import NamedTuple

if TYPE_CHECKING:
    from types import ModuleType

__all__ = [
    "STATIC",
    "AnyPatch",
    "Before",
    "Call",
    "Describe",
    "Exchange",
    "Failed",
    "Name",
    "Outgoing",
    "Patch",
    "innermost",
    "install",
    "is_imported",
    "spanning",
    "take_away",
    "traced",
    "undo",
    "when_imported",
]

STATIC = "(static)"
"""The route of files that are served as they are."""

Admit = Callable[[], bool]
"""Is asked once the library is there whether it is to be patched."""


class Patch(NamedTuple):
    """One method that tells a route: `name(instance, args, kwargs, result)` is asked after each call in a transaction.

    It returns the route and the view that answers, or None where there is no route.
    """

    module: str
    target: str
    name: Name


class Call(NamedTuple):
    """One function or method whose calls in a transaction are spans.

    `describe(instance, args, kwargs)` returns the operation a call is, or None for one that is not to be recorded. It is pure,
    and returns the same object for calls of the same kind.
    """

    module: str
    target: str
    describe: Describe


class Exchange(NamedTuple):
    """One function or class that is exchanged for what `make(original, failed)` returns, where a span around it is not enough."""

    module: str
    target: str
    make: Callable[[Any, Callable[[], None]], Any]


class Outgoing(NamedTuple):
    """One function or method whose calls in a transaction are calls of another server, counted by how they are answered.

    `describe` is as in `Call`. `settle(span, instance, result, error)` is asked before the span ends, which it may give
    another operation of the same component; it returns the `error.type`.
    """

    module: str
    target: str
    describe: Describe
    settle: Settle


class Before(NamedTuple):
    """One function or method with `act(transaction, instance, args, kwargs)` called before each call in a transaction."""

    module: str
    target: str
    act: Act


AnyPatch = Patch | Call | Exchange | Outgoing | Before


class _Installed(NamedTuple):
    holder: Any
    attribute: str
    original: Any
    own: bool
    ours: Any


_installed: dict[AnyPatch, _Installed | None] = {}


def _replace(original: Any, patch: AnyPatch, failed: Failed) -> Any:
    if isinstance(original, (classmethod, staticmethod)):
        return type(original)(_replace(original.__func__, patch, failed))
    if isinstance(patch, Patch):
        return named(original, patch.name, failed)
    if isinstance(patch, Call):
        return traced(original, patch.describe, failed)
    if isinstance(patch, Outgoing):
        return settled(original, patch.describe, patch.settle, failed)
    if isinstance(patch, Before):
        return preceded(original, patch.act, failed)
    return patch.make(original, failed)


class _Watch:
    """A finder that finds nothing: it learns that a library is about to be imported, and only then loads wrapt.

    wrapt imports asyncio, which takes as much time and memory as all of ours together.
    """

    def __init__(self) -> None:
        self.before: dict[str, list[tuple[Callable[[], None], Failed]]] = {}
        self.patches: dict[str, list[tuple[AnyPatch, Failed, Admit]]] = {}

    def find_spec(self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None) -> Any:
        """Hand the library over to wrapt, which patches it once it is imported."""
        for act, failed in self.before.pop(name, ()):
            _try(act, failed)
        due = self.patches.pop(name, None)
        if due is None:
            return None
        try:
            from importlib.util import find_spec  # noqa: PLC0415

            import wrapt  # noqa: PLC0415

            for patch, failed, admit in due:
                wrapt.register_post_import_hook(partial(_apply, patch, failed, admit), name)
            return find_spec(name)  # by way of wrapt's own finder, which it has just put first
        except Exception:  # a gate: this runs within the app's import
            due[0][1]()
            return None


_watch = _Watch()


def _start_watching() -> None:
    if _watch not in sys.meta_path:
        sys.meta_path.insert(0, _watch)


def when_imported(module: str, act: Callable[[], None], failed: Failed) -> None:
    """Call `act` now if a library has been imported, else right before it is."""
    if sys.modules.get(module) is not None:
        _try(act, failed)
    else:
        _watch.before.setdefault(module, []).append((act, failed))
        _start_watching()


def _try(act: Callable[[], None], failed: Failed) -> None:
    try:
        act()
    except Exception:  # a gate: this may run within the app's import
        failed()


def _always() -> bool:
    return True


def install(patches: Sequence[AnyPatch], failed: Failed, admit: Admit = _always) -> None:
    """Install patches, now where the library has been imported, else when it is, if `admit` then says so."""
    for patch in patches:
        if patch in _installed:
            continue
        _installed[patch] = None
        if sys.modules.get(patch.module) is not None:
            _apply(patch, failed, admit, sys.modules[patch.module])
        else:
            _watch.patches.setdefault(patch.module, []).append((patch, failed, admit))
            _start_watching()


def _apply(patch: AnyPatch, failed: Failed, admit: Admit, module: ModuleType) -> None:
    if patch not in _installed or _installed[patch] is not None:
        return
    *path, attribute = patch.target.split(".")
    try:
        if not admit():
            return
        holder: Any = module
        for name in path:
            holder = getattr(holder, name)
        own = attribute in vars(holder)
        original = vars(holder)[attribute] if own else getattr(holder, attribute)
        ours = _replace(original, patch, failed)
        setattr(holder, attribute, ours)
        _installed[patch] = _Installed(holder, attribute, original, own, ours)
    except AttributeError:  # another version of the library: it has no such thing
        return
    except Exception:  # a gate: this runs within the app's import
        failed()


def take_away(patches: Sequence[AnyPatch]) -> None:
    """Put back what these patches have changed, and change nothing by them later; what was inherited is inherited again.

    Where somebody else has patched over ours, that stays, for it calls ours.
    """
    for patch in reversed(patches):
        installed = _installed.pop(patch, None)
        if installed is not None and vars(installed.holder).get(installed.attribute) is installed.ours:
            if installed.own:
                setattr(installed.holder, installed.attribute, installed.original)
            else:
                delattr(installed.holder, installed.attribute)


def undo() -> None:
    """Put everything back as it was."""
    take_away(list(_installed))
    _watch.before.clear()
    _watch.patches.clear()
    if _watch in sys.meta_path:
        sys.meta_path.remove(_watch)


def is_imported(module: str) -> bool:
    """Tell whether the app has imported a library."""
    return module in sys.modules
