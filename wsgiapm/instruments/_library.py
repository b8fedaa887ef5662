# SPDX-License-Identifier: Apache-2.0
"""A library as it is in this process: which version, from which file, and whether an instrument is made for it.

The version is that of the files that have been imported: it is read from the name of the metadata beside them, which is
a look into one directory. (importlib.metadata imports a parser for mail, and may find another copy on the path.)
"""

from __future__ import annotations

import os
import re
import sys
from types import ModuleType

from wsgiapm.named_tuple import NamedTuple

_METADATA = re.compile(r"([A-Za-z0-9._-]+?)-([0-9][^-]*)(?:-py[0-9.]+)?\.(?:dist-info|egg-info)")
_SEPARATORS = re.compile(r"[-_.]+")
_REQUIREMENT = re.compile(r"(>=|<)\s*([0-9.]+)")
_RELEASE = re.compile(r"\d+(?:\.\d+)*")


class Library(NamedTuple):
    """What has been imported. `version` is empty where nothing tells it."""

    version: str
    file: str


def find(name: str, distribution: str) -> Library | None:
    """Return a library by the name of its module and of its distribution; None when it has not been imported."""
    module = sys.modules.get(name)
    if module is None:
        return None
    file = _file(module)
    if name.partition(".")[0] in sys.stdlib_module_names:
        return Library(".".join(map(str, sys.version_info[:3])), file)
    return Library(_version_beside(file, name, distribution) or _version_within(module), file)


def _file(module: ModuleType) -> str:
    return str(getattr(module, "__file__", None) or getattr(module.__spec__, "origin", None) or "")


def _version_beside(file: str, name: str, distribution: str) -> str:
    place = os.path.dirname(file)
    if os.path.basename(file).startswith("__init__."):
        place = os.path.dirname(place)
    for _ in range(name.count(".")):
        place = os.path.dirname(place)
    try:
        entries = os.listdir(place)
    except OSError:
        return ""
    wanted = _normal(distribution)
    for entry in entries:
        found = _METADATA.fullmatch(entry)
        if found is not None and _normal(found[1]) == wanted:
            return found[2]
    return ""


def _version_within(module: ModuleType) -> str:
    # Not getattr: a library may warn whoever asks it so.
    for name in ("__version__", "version"):
        version = vars(module).get(name)
        if isinstance(version, str):
            return version
    return ""


def _normal(distribution: str) -> str:
    return _SEPARATORS.sub("-", distribution).lower()


def judge(version: str, versions: str) -> str:
    """Return what a version is to an instrument made for `versions` (`>=2,<4`): "too old", "newer" or nothing.

    A version that is not known, or is none, is nothing.
    """
    release = _RELEASE.match(version)
    if release is None:
        return ""
    for relation, bound in _REQUIREMENT.findall(versions):
        below = _numbers(release[0]) < _numbers(bound)
        if relation == ">=" and below:
            return "too old"
        if relation == "<" and not below:
            return "newer"
    return ""


def _numbers(release: str) -> list[int]:
    numbers = [int(part) for part in release.split(".") if part]
    while numbers and not numbers[-1]:
        numbers.pop()
    return numbers
