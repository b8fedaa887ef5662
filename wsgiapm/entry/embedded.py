# SPDX-License-Identifier: Apache-2.0
"""Servers that Python is embedded in, uwsgi and mod_wsgi: they take the app out of a module's namespace, in C.

A module they import is replaced in by us once it has been imported. A file they compile and run themselves
(`PyImport_ExecCodeModule`); all that Python sees of it is a call beforehand and the return of its frame. So the frame is
traced: each function that is called until the file is through costs a fraction of a microsecond, and nothing after that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from types import FrameType, ModuleType

from wsgiapm.entry.arrivals import watch_for
from wsgiapm.entry.gate import guarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_importing: Any = import_module("_frozen_importlib_external")
_CALLABLE = "application"
_HANDLER = "handle_request"  # of the file that mod_wsgi-express writes
_FILES = ("uwsgi_file_", "_mod_wsgi_")
_MODULE_OPTIONS = ("module", "wsgi", "mount")


class _Lookout:
    """A finder that finds nothing: it learns from any import that the server's own module is there by now."""

    def __init__(self) -> None:
        self._done = False

    def find_spec(self, _name: str, _path: object = None, _target: object = None) -> None:
        """Return None; with uwsgi there, watch for the modules its options name."""
        if not self._done and _options():
            self._done = True
            guarded(_watch_for_modules)


def look_out_for_embedding() -> None:
    """Be there when a server takes its app. At the start of the interpreter, when there is no sign of the server yet."""
    sys.meta_path.insert(0, _Lookout())
    prepare = _importing._fix_up_module  # noqa: SLF001

    def fix_up_module(namespace: dict[str, Any], name: str, *args: Any) -> None:
        prepare(namespace, name, *args)
        if name.startswith(_FILES):
            guarded(_wait_for_end, namespace)

    _importing._fix_up_module = fix_up_module  # noqa: SLF001


def _options() -> dict[str, Any]:
    return getattr(sys.modules.get("uwsgi"), "opt", None) or {}


def _texts(name: str) -> Iterator[str]:
    given = _options().get(name, ())
    for value in given if isinstance(given, (list, tuple)) else (given,):
        yield value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def _callable() -> str:
    return next(_texts("callable"), _CALLABLE)


def _name_in_file(namespace: dict[str, Any]) -> str:
    name = _callable()
    return _HANDLER if name not in namespace and "mod_wsgi" in sys.modules else name


def _watch_for_modules() -> None:
    for option in _MODULE_OPTIONS:
        for text in _texts(option):
            module, _, name = text.rpartition("=")[2].partition(":")
            watch_for({module: partial(_replace_in_module, name or _callable())})


def _replace_in_module(name: str, module: ModuleType) -> None:
    _replace(vars(module), name)


def _replace(namespace: dict[str, Any], name: str) -> None:
    from wsgiapm.enclosing import enclose  # noqa: PLC0415  # the agent is loaded where there is an app to record

    factory = name.removesuffix("()")
    app = namespace.get(factory)
    if callable(app):
        namespace[factory] = enclose(app) if factory == name else lambda: enclose(app())


def _wait_for_end(namespace: dict[str, Any]) -> None:
    if sys.gettrace() is not None:  # a debugger's; it stays
        return

    def ended(_frame: FrameType, event: str, _arg: object) -> Any:
        if event == "return":
            sys.settrace(None)
            guarded(_replace, namespace, _name_in_file(namespace))
        return ended

    def called(frame: FrameType, _event: str, _arg: object) -> Any:
        if frame.f_globals is not namespace or frame.f_code.co_name != "<module>":
            return None
        frame.f_trace_lines = False
        return ended

    sys.settrace(called)
