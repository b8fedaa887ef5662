# SPDX-License-Identifier: Apache-2.0
"""The gate between instruments and the libraries: the only module that knows wrapt.

A patch is data. It is installed at once where its library has been imported, else when it is; once, and undone exactly.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, NamedTuple

from wsgiapm.request import error_type
from wsgiapm.tracing import begin, end, running

if TYPE_CHECKING:
    from types import ModuleType

    from wsgiapm.span import Operation

STATIC = "(static)"
"""The route of files that are served as they are."""

Describe = Callable[[Any, tuple[Any, ...], dict[str, Any]], "Operation | None"]
Name = Callable[[Any, tuple[Any, ...], dict[str, Any], Any], str | None]


class Patch(NamedTuple):
    """One method that tells a route: `name(instance, args, kwargs, result)` is asked after each call in a transaction."""

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


AnyPatch = Patch | Call | Exchange


class _Installed(NamedTuple):
    holder: Any
    attribute: str
    original: Any
    own: bool


_installed: dict[AnyPatch, _Installed | None] = {}


def traced(original: Callable[..., Any], describe: Describe, failed: Callable[[], None]) -> Callable[..., Any]:
    """Return a method that does what `original` does, with a span around each call made in a transaction.

    `failed` is called while an exception of ours is being handled.
    """

    @wraps(original)
    def wrapper(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        transaction = running()
        if transaction is None:
            return original(instance, *args, **kwargs)
        try:
            operation = describe(instance, args, kwargs)
            span = None if operation is None else begin(transaction, operation)
        except Exception:  # a gate
            failed()
            span = None
        if span is None:
            return original(instance, *args, **kwargs)
        error = None
        try:
            return original(instance, *args, **kwargs)
        except BaseException as raised:
            error = error_type(raised)
            raise
        finally:
            try:
                end(span, error)
            except Exception:  # a gate
                failed()

    return wrapper


def _named(original: Callable[..., Any], patch: Patch, failed: Callable[[], None]) -> Callable[..., Any]:
    @wraps(original)
    def wrapper(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        result = original(instance, *args, **kwargs)
        transaction = running()
        if transaction is not None and transaction.name is None:
            try:
                name = patch.name(instance, args, kwargs, result)
                if name is not None:
                    transaction.name = name
            except Exception:  # a gate
                failed()
        return result

    return wrapper


def _replace(original: Any, patch: AnyPatch, failed: Callable[[], None]) -> Any:
    if isinstance(patch, Patch):
        return _named(original, patch, failed)
    if isinstance(patch, Call):
        return traced(original, patch.describe, failed)
    return patch.make(original, failed)


class _Watch:
    """A finder that finds nothing: it learns that a library is about to be imported, and only then loads wrapt.

    wrapt imports asyncio, which takes as much time and memory as all of ours together.
    """

    def __init__(self, patches: list[AnyPatch], failed: Callable[[], None]) -> None:
        self._patches = patches
        self._failed = failed

    def find_spec(self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None) -> Any:
        """Hand the library over to wrapt, which patches it once it is imported."""
        due = [patch for patch in self._patches if patch.module == name]
        if not due:
            return None
        self._patches = [patch for patch in self._patches if patch.module != name]
        try:
            from importlib.util import find_spec  # noqa: PLC0415

            import wrapt  # noqa: PLC0415

            for patch in due:
                wrapt.register_post_import_hook(partial(_apply, patch, self._failed), name)
            return find_spec(name)  # by way of wrapt's own finder, which it has just put first
        except Exception:  # a gate: this runs within the app's import
            self._failed()
            return None


def install(patches: Sequence[AnyPatch], failed: Callable[[], None]) -> None:
    """Install patches, now where the library has been imported, else when it is."""
    waiting: list[AnyPatch] = []
    for patch in patches:
        if patch in _installed:
            continue
        _installed[patch] = None
        if sys.modules.get(patch.module) is not None:
            _apply(patch, failed, sys.modules[patch.module])
        else:
            waiting.append(patch)
    if waiting:
        sys.meta_path.insert(0, _Watch(waiting, failed))


def _apply(patch: AnyPatch, failed: Callable[[], None], module: ModuleType) -> None:
    if patch not in _installed or _installed[patch] is not None:
        return
    *path, attribute = patch.target.split(".")
    try:
        holder: Any = module
        for name in path:
            holder = getattr(holder, name)
        original = getattr(holder, attribute)
        own = attribute in vars(holder)
        setattr(holder, attribute, _replace(original, patch, failed))
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
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Watch)]


def is_imported(module: str) -> bool:
    """Tell whether the app has imported a library."""
    return module in sys.modules
