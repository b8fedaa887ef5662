# SPDX-License-Identifier: Apache-2.0
"""The call site: the line of the app's own code that a call comes from, or of its template.

Looked for only when there is something to tell of it: going up a stack takes microseconds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FrameType
from typing import NamedTuple

_OWN = os.path.dirname(os.path.abspath(__file__))
_FRAMES_AT_MOST = 300
_DJANGO_NODE = ("render_annotated", f"django{os.sep}template{os.sep}base.py")


class Site(NamedTuple):
    """A place in the code."""

    file: str
    line: int
    function: str


@lru_cache(maxsize=1)
def _libraries() -> tuple[str, ...]:
    import sysconfig  # noqa: PLC0415  # most processes have nothing slow to tell of

    paths = sysconfig.get_paths()
    return tuple(path + os.sep for path in (paths["stdlib"], paths["platstdlib"], paths["scripts"], _OWN))


@lru_cache(maxsize=2000)
def is_app_code(file: str) -> bool:
    """Tell whether a file is the app's own: no library, not the standard one, not ours."""
    if file.startswith("<") or f"{os.sep}site-packages{os.sep}" in file or f"{os.sep}dist-packages{os.sep}" in file:
        return False
    return not file.startswith(_libraries())


def find_site() -> Site | None:
    """Return the innermost place in the app's own code, or in a template, on this thread's stack; None without one."""
    for frame in _frames(sys._getframe(1)):  # noqa: SLF001
        found = _template_line(frame, frame.f_code)
        if found is None and is_app_code(frame.f_code.co_filename):
            found = Site(frame.f_code.co_filename, frame.f_lineno, _qualified(frame.f_code))
        if found is not None:
            return found
    return None


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    for _ in range(_FRAMES_AT_MOST):
        if frame is None:
            return
        yield frame
        frame = frame.f_back


def _qualified(code: CodeType) -> str:
    return str(getattr(code, "co_qualname", code.co_name))  # since 3.11


def _template_line(frame: FrameType, code: CodeType) -> Site | None:
    """Return the line of the template a frame is about: what runs is made of it, and has other lines."""
    template = frame.f_globals.get("__jinja_template__")
    line_of = getattr(template, "get_corresponding_lineno", None)
    if line_of is not None:
        return Site(str(code.co_filename), int(line_of(frame.f_lineno)), "template")
    if code.co_name == _DJANGO_NODE[0] and code.co_filename.endswith(_DJANGO_NODE[1]):
        node = frame.f_locals.get("self")
        line = getattr(getattr(node, "token", None), "lineno", None)
        file = str(getattr(getattr(node, "origin", None), "name", ""))
        if isinstance(line, int) and is_app_code(file):
            return Site(file, line, "template")
    return None
