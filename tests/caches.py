# SPDX-License-Identifier: Apache-2.0
"""Real servers of caches for tests, as tests/databases.py has databases."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.databases import HOST, _find, _free_port, _Place, _running, _succeeds

if TYPE_CHECKING:
    from collections.abc import Iterator


class Cache(NamedTuple):
    """A running server, that listens to a port and to a unix socket."""

    host: str
    port: int
    socket: str


@contextlib.contextmanager
def running_redis(*more: str) -> Iterator[Cache]:
    """A Redis of its own, with more options, as long as the context lasts."""
    server, client = _find("redis-server"), _find("redis-cli")
    if not (server and client):
        pytest.skip("redis-server is not installed: `make packages`")
    place, port = _Place("redis"), _free_port()
    path = os.path.join(place.path, "redis.sock")
    argv = [
        server,
        "--port",
        str(port),
        "--bind",
        HOST,
        "--unixsocket",
        path,
        "--save",
        "",
        "--appendonly",
        "no",
        *more,
    ]
    with _running(place, argv, signal.SIGTERM, lambda: _succeeds([client, "-p", str(port), "PING"])):
        yield Cache(HOST, port, path)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Cache]:
    """A Redis of its own."""
    with running_redis() as cache:
        yield cache


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[Cache]:
    """A Redis cluster of one node, which has all slots."""
    bus = str(_free_port())
    with running_redis("--cluster-enabled", "yes", "--cluster-port", bus) as cache:
        client = ["redis-cli", "-p", str(cache.port), "CLUSTER"]
        subprocess.run([*client, "ADDSLOTSRANGE", "0", "16383"], check=True, capture_output=True)
        while b"cluster_state:ok" not in subprocess.run([*client, "INFO"], check=True, capture_output=True).stdout:
            time.sleep(0.1)
        yield cache


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=30) as connection:
        connection.sendall(b"version\r\n")
        return connection.recv(100).startswith(b"VERSION")
    return False


@contextlib.contextmanager
def running_memcached(*, by_socket: bool = False) -> Iterator[Cache]:
    """A memcached of its own, as long as the context lasts; it listens to a port or to a unix socket, not to both."""
    server = _find("memcached")
    if not server:
        pytest.skip("memcached is not installed: `make packages`")
    place, port = _Place("memcache"), _free_port()
    path = os.path.join(place.path, "memcached.sock")
    listening = ["-s", path, "-a", "0777"] if by_socket else ["-l", HOST, "-p", str(port), "-U", "0"]
    is_ready = (lambda: os.path.exists(path)) if by_socket else (lambda: _answers(port))
    with _running(place, [server, *listening, "-t", "1", "-m", "16"], signal.SIGTERM, is_ready):
        yield Cache(HOST, port, path)


@pytest.fixture(scope="session")
def memcached() -> Iterator[Cache]:
    """A memcached of its own."""
    with running_memcached() as cache:
        yield cache


@pytest.fixture(scope="session")
def memcached_socket() -> Iterator[Cache]:
    """A memcached that listens to a unix socket."""
    with running_memcached(by_socket=True) as cache:
        yield cache
