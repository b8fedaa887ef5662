# SPDX-License-Identifier: Apache-2.0
"""The settings in force for a command, and the shared directory it is about."""

from __future__ import annotations

import os
from typing import NamedTuple

from wsgiapm.config import Resolved, Settings, resolve, shared_directory
from wsgiapm.errors import ConfigError, SharedDirectoryError

_LISTED_AT_MOST = 8


class Place(NamedTuple):
    """A shared directory, and who says that it is this one."""

    path: str
    source: str
    settings: Settings

    def require(self) -> None:
        """Check that the directory exists.

        Raises:
            SharedDirectoryError: says which directory, why that one, and what to do.
        """
        if os.path.isdir(self.path):
            return
        if os.path.lexists(self.path):
            raise SharedDirectoryError(f"{self.path} ({self.source}) is not a directory; correct the name")
        raise SharedDirectoryError(
            f"there is no shared directory {self.path} ({self.source}): the app has not started on this machine, or "
            f"runs as another user or with other settings; start it, or say --shared-dir D{self._others()}"
        )

    def _others(self) -> str:
        parent = os.path.dirname(self.path)
        try:
            with os.scandir(parent) as entries:
                found = sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError:
            found = []
        if not found or not os.path.basename(parent).startswith("wsgiapm-"):
            return ""
        more = ", …" if len(found) > _LISTED_AT_MOST else ""
        return f"; there are: {', '.join(found[:_LISTED_AT_MOST])}{more}"


def current() -> Resolved:
    """The settings in force, all of them good.

    Raises:
        ConfigError: names each bad one.
    """
    resolved = resolve()
    if resolved.problems:
        raise ConfigError("\n".join(problem.message for problem in resolved.problems))
    return resolved


def find(argument: str | None) -> Place:
    """The shared directory a command is about.

    Args:
        argument: what --shared-dir says; None for the directory of the current settings.

    Raises:
        ConfigError: a setting is bad.
    """
    settings, origins, _ = current()
    if argument:
        return Place(os.path.abspath(argument), "--shared-dir", settings)
    path = shared_directory(settings)
    if settings.shared_dir:
        return Place(path, f"shared_dir, {origins['shared_dir']}", settings)
    if origins["app_name"] == "default":
        return Place(path, "the default for an app without app_name in this working directory", settings)
    return Place(path, f"the default for app_name {settings.app_name!r}, {origins['app_name']}", settings)
