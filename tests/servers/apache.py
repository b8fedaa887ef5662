# SPDX-License-Identifier: Apache-2.0
"""A real Apache with mod_wsgi, by mod_wsgi-express: how it is started, and where its processes may write."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.servers.conftest import APPS, ROOT

if TYPE_CHECKING:
    from pathlib import Path

EXPRESS = os.path.join(ROOT, ".venv-mod_wsgi", "bin", "mod_wsgi-express")


def command(port: int, place: Path, module: str, *options: str, apps: str | Path = APPS) -> list[str]:
    """Return the command that serves a module from a place that every user may get into.

    Apache refuses to serve as root: then its processes are those of `nobody`.
    """
    if not os.path.exists(EXPRESS):
        pytest.skip("mod_wsgi is not there; run: .ci/servers (needs apache2-bin, apache2-dev, python3-dev)")
    argv = [EXPRESS, "start-server", "--host", "127.0.0.1", "--port", str(port), "--log-to-terminal"]
    argv += ["--entry-point", module, "--application-type", "module", "--working-directory", str(apps)]
    argv += ["--server-root", str(place / "apache"), "--startup-log", "--shutdown-timeout", "10", *options]
    return argv + (["--user", "nobody", "--group", "nogroup"] if os.geteuid() == 0 else [])


def make_shared(place: Path) -> str:
    """Return the path of a shared directory, not yet there, below one that belongs to Apache's user."""
    own = place / "own"
    own.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(own, 65534, 65534)
    return str(own / "shared")
