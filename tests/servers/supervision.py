# SPDX-License-Identifier: Apache-2.0
"""What tests of deploy/supervisor/ share: its entries, a supervisord with them, and who is left of what it started."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil

from tests.servers.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.conftest import Running


def read_entry(name: str, tmp_path: Path) -> tuple[configparser.RawConfigParser, configparser.SectionProxy]:
    """Return an entry, with its files in a temporary directory and without its user."""
    entry = configparser.RawConfigParser()
    with open(os.path.join(ROOT, "deploy", "supervisor", f"{name}.conf"), encoding="utf-8") as file:
        text = file.read().replace("/var/log/supervisor", str(tmp_path)).replace("/var/lib", str(tmp_path / "state"))
    entry.read_string(text)
    section = entry[f"program:{name}"]
    del section["user"]
    return entry, section


def supervise(
    process: Callable[..., Running],
    tmp_path: Path,
    entries: Iterable[configparser.RawConfigParser],
    env: dict[str, str],
) -> tuple[Running, Callable[..., str]]:
    """Run a supervisord; return it and a function that tells it something."""
    config = str(tmp_path / "supervisord.conf")
    with open(config, "w", encoding="utf-8") as file:
        file.write("[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\n")
        file.write(f"pidfile={tmp_path}/supervisord.pid\n[unix_http_server]\nfile={tmp_path}/control\n")
        file.write(f"[supervisorctl]\nserverurl=unix://{tmp_path}/control\n[rpcinterface:supervisor]\n")
        file.write("supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n")
        for entry in entries:
            entry.write(file)

    def control(*command: str) -> str:
        argv = [sys.executable, "-m", "supervisor.supervisorctl", "-c", config, *command]
        return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=100).stdout.strip()

    return process([sys.executable, "-m", "supervisor.supervisord", "-c", config], env=env), control


def processes_with(marks: Path) -> set[int]:
    """Return the living processes that were started for this test, wherever they hang in the tree: by their environment."""
    found = set()
    for process in psutil.process_iter():
        try:
            if process.environ().get("MARKS") == str(marks) and process.status() != psutil.STATUS_ZOMBIE:
                found.add(process.pid)
        except psutil.Error:
            continue
    return found
