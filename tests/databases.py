# SPDX-License-Identifier: Apache-2.0
"""Real database servers for tests: in temporary directories, on free local ports, ended by pid.

They refuse to run as root, and are then run as the user that Debian's packages make for them.
"""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HOST = "127.0.0.1"
USER = "walker"
PASSWORD = "Sunny-Ridge"
NAME = "walks"
_PATIENCE = 60.0


class Database(NamedTuple):
    """A running server with one database, `walks`, and one user, `walker`; `socket` is the path of its unix socket."""

    host: str
    port: int
    socket: str
    name: str = NAME
    user: str = USER
    password: str = PASSWORD


class _Place:
    """A directory of a user who is not root, and what is run there."""

    def __init__(self, user: str) -> None:
        self.identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam(user)
            self.identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        self.path = tempfile.mkdtemp(prefix="wsgiapm-db-")
        if self.identity:
            os.chown(self.path, self.identity["user"], self.identity["group"])

    def popen(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        with open(os.path.join(self.path, "log.txt"), "ab") as log:
            return subprocess.Popen(
                argv, cwd=self.path, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self.identity
            )

    def run(self, argv: Sequence[str]) -> None:
        if self.popen(argv).wait() != 0:
            pytest.fail(f"{argv[0]} failed:\n{self.log()}")

    def log(self) -> str:
        with open(os.path.join(self.path, "log.txt"), encoding="utf-8", errors="replace") as log:
            return log.read()[-5000:]


@contextlib.contextmanager
def _running(place: _Place, argv: Sequence[str], end: int, is_ready: Any) -> Iterator[None]:
    server = place.popen(argv)
    try:
        deadline = time.monotonic() + _PATIENCE
        while not is_ready():
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{argv[0]} does not start:\n{place.log()}")
            time.sleep(0.05)
        yield
    finally:
        server.send_signal(end)
        try:
            server.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(place.path, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def _succeeds(argv: Sequence[str]) -> bool:
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def _find(name: str, *places: str) -> str | None:
    path = os.pathsep.join([*places, os.environ.get("PATH", ""), "/usr/sbin"])
    return shutil.which(name, path=path)


@contextlib.contextmanager
def running_mariadb() -> Iterator[Database]:
    """A MariaDB server of its own, as long as the context lasts."""
    server, install, client = _find("mariadbd"), _find("mariadb-install-db"), _find("mariadb")
    if not (server and install and client):
        pytest.skip("mariadb-server is not installed: `make packages`")
    place = _Place("mysql")
    data, path, port = os.path.join(place.path, "data"), os.path.join(place.path, "db.sock"), _free_port()
    place.run(
        [install, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db"]
    )
    argv = [
        server, "--no-defaults", f"--datadir={data}", f"--socket={path}", f"--port={port}", f"--bind-address={HOST}",
        f"--pid-file={place.path}/pid", "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0",
        "--innodb-buffer-pool-size=16M", "--character-set-server=utf8mb4",
    ]  # fmt: skip
    statements = (
        f"CREATE DATABASE {NAME}; CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'; "
        f"GRANT ALL ON *.* TO {USER}@'%'; CREATE USER {USER}@localhost IDENTIFIED BY '{PASSWORD}'; "
        f"GRANT ALL ON *.* TO {USER}@localhost"
    )
    admin = [client, "--no-defaults", f"--socket={path}", "--user=root"]
    with _running(place, argv, signal.SIGTERM, lambda: _succeeds([*admin, "-e", "SELECT 1"])):
        subprocess.run([*admin, "-e", statements], check=True, capture_output=True)
        yield Database(HOST, port, path)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Database]:
    """A MariaDB server of its own."""
    with running_mariadb() as database:
        yield database


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Database]:
    """A PostgreSQL server of its own."""
    places = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    server, install, client = (_find(name, *places) for name in ("postgres", "initdb", "psql"))
    if not (server and install and client):
        pytest.skip("postgresql is not installed: `make packages`")
    place = _Place("postgres")
    data, port = os.path.join(place.path, "data"), _free_port()
    place.run([install, "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"])
    argv = [server, "-D", data, "-k", place.path, "-p", str(port), "-h", HOST]
    argv += [word for setting in ("fsync=off", "shared_buffers=16MB") for word in ("-c", setting)]
    admin = [client, "-h", HOST, "-p", str(port), "-U", USER, "-d", "postgres"]
    with _running(place, argv, signal.SIGINT, lambda: _succeeds([*admin, "-c", "SELECT 1"])):
        subprocess.run([*admin, "-c", f"CREATE DATABASE {NAME}"], check=True, capture_output=True)
        yield Database(HOST, port, f"{place.path}/.s.PGSQL.{port}")
