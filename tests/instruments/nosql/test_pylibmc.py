# SPDX-License-Identifier: Apache-2.0
"""pylibmc, which is libmemcached, against memcached."""

from __future__ import annotations

import contextlib

import pytest

from tests.instruments.nosql.contract import CacheContract, slow_server

pylibmc = pytest.importorskip("pylibmc", reason="pylibmc is not installed, which needs libmemcached")


class TestPylibmc(CacheContract):
    """pylibmc."""

    connect = """
import pylibmc
def connect(host, port):
    clients = pylibmc.ClientPool(pylibmc.Client([f"{host}:{port}"]), 6)
    class Shared:
        def set(self, key, value):
            with clients.reserve() as client:
                return client.set(key, value)
        def get(self, key):
            with clients.reserve() as client:
                return client.get(key)
    return Shared()
"""

    @pytest.fixture
    def client(self, memcached, recording):
        """A client by TCP."""
        return pylibmc.Client([f"{memcached.host}:{memcached.port}"])

    @pytest.fixture
    def by_socket(self, memcached_socket, recording):
        """Connects by the unix socket."""
        return pylibmc.Client([memcached_socket.socket])

    @pytest.fixture
    def path(self, memcached_socket):
        """Of the socket."""
        return memcached_socket.socket

    @pytest.fixture
    def broken(self):
        """Nobody listens."""
        return pylibmc.Client(["127.0.0.1:1"])

    @pytest.fixture
    def error(self):
        """What it raises."""
        return pylibmc.ConnectionError

    @pytest.fixture
    def place(self, memcached):
        """Host and port."""
        return {"db.system.name": "memcached", "server.address": memcached.host, "server.port": memcached.port}

    test_each_thread_records_its_calls = None  # a client is for one thread; see the greenlets, which have a pool

    def test_a_known_mix_is_counted_exactly(self, recording, client):
        """Each call once; what asks for nothing is none."""
        client.flush_all()
        for number in range(5):
            client.set(f"key-{number}", "1")
        client.add("new", 2)
        assert client.incr("new", 2) == 4
        assert client.decr("new", 1) == 3
        assert client.get_multi(["key-1", "key-2"]) == {"key-1": "1", "key-2": "1"}
        assert client.get_multi([]) == {}
        client.set_multi({"a": "1", "b": "2"})
        client.delete_multi(["a", "b"])
        client.delete("key-1")
        client["key"] = "1"
        assert client["key"] == "1"

        assert recording.names() == [
            "flush_all", *["set"] * 5, "add", "incr", "decr", "get_multi", "set_multi", "delete_multi", "delete", "set", "get",
        ]  # fmt: skip

    def test_several_servers_are_no_one_place(self, recording, memcached):
        """C code has chosen."""
        client = pylibmc.Client([f"{memcached.host}:{memcached.port}", "127.0.0.1:1"])
        with contextlib.suppress(pylibmc.Error):
            client.get("key")

        [call] = recording.take()
        assert "server.address" not in call.attributes

    def test_the_time_of_a_call_is_its_time(self, recording):
        """Within five percent of what is measured around it."""
        with slow_server(b"END\r\n") as (host, port):
            client = pylibmc.Client([f"{host}:{port}"])
            self.check_time(recording, client.get)
