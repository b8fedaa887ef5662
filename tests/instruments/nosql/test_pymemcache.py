# SPDX-License-Identifier: Apache-2.0
"""pymemcache against memcached: one client, a pool, several servers."""

from __future__ import annotations

import pymemcache
import pymemcache.client.retrying
import pytest

from tests.caches import running_memcached
from tests.instruments.nosql.contract import CacheContract, slow_server


class TestPymemcache(CacheContract):
    """pymemcache."""

    connect = """
from pymemcache import PooledClient
def connect(host, port):
    return PooledClient((host, port), max_pool_size=6, default_noreply=False)
"""

    @pytest.fixture
    def client(self, memcached, recording):
        """A client with a pool, as Django has one."""
        client = pymemcache.PooledClient((memcached.host, memcached.port), max_pool_size=8)
        yield client
        client.close()

    @pytest.fixture
    def by_socket(self, memcached_socket, recording):
        """Connects by the unix socket."""
        client = pymemcache.Client(f"unix:{memcached_socket.socket}")
        yield client
        client.close()

    @pytest.fixture
    def path(self, memcached_socket):
        """Of the socket."""
        return memcached_socket.socket

    @pytest.fixture
    def broken(self):
        """Nobody listens."""
        return pymemcache.Client(("127.0.0.1", 1))

    @pytest.fixture
    def error(self):
        """What it raises."""
        return ConnectionRefusedError

    @pytest.fixture
    def place(self, memcached):
        """Host and port."""
        return {"db.system.name": "memcached", "server.address": memcached.host, "server.port": memcached.port}

    def test_a_known_mix_is_counted_exactly(self, recording, client):
        """Each call once; what asks for nothing is none."""
        for number in range(5):
            client.set(f"key-{number}", "1")
        client.add("key-1", "2")
        client.incr("key-1", 2)
        client.decr("key-1", 1)
        assert client.get_many(["key-1", "key-2"]) == {"key-1": b"2", "key-2": b"1"}
        assert client.get_many([]) == {}
        assert client.set_many({"a": "1", "b": "2"}) == []
        client.delete_many(["a", "b"])
        client.delete("key-1")
        client.touch("key-2", 100)
        _, token = client.gets("key-2")
        assert client.cas("key-2", "3", token) is True

        assert recording.counts() == {
            "set": 5, "add": 1, "incr": 1, "decr": 1, "get_many": 1, "set_many": 1, "delete_many": 1, "delete": 1, "touch": 1,
            "gets": 1, "cas": 1,
        }  # fmt: skip

    def test_other_names_are_the_same_commands(self, recording, memcached):
        """As there are for those used to another client."""
        client = pymemcache.Client((memcached.host, memcached.port))
        client.set_multi({"a": "1"})
        client.get_multi(["a"])
        client["a"] = "2"
        assert client["a"] == b"2"
        del client["a"]
        client.close()

        assert recording.names() == ["set_many", "get_many", "set", "get", "delete"]

    def test_of_several_servers_each_is_recorded(self, recording, memcached):
        """The one that a key is kept on; many keys are a call of each."""
        with running_memcached() as other:
            servers = [(memcached.host, memcached.port), (other.host, other.port)]
            client = pymemcache.HashClient(servers, use_pooling=True)
            for number in range(20):
                client.set(f"key-{number}", "1")
            sets = recording.take()
            assert len(client.get_many([f"key-{number}" for number in range(20)])) == 20
            gets = recording.take()
            client.close()

        assert len(sets) == 20
        assert {call.attributes["server.port"] for call in sets} == {memcached.port, other.port}
        assert sorted(call.attributes["server.port"] for call in gets) == sorted([memcached.port, other.port])

    def test_each_attempt_is_a_call(self, recording, broken):
        """That it went well in the end does not make the others unmade."""
        client = pymemcache.client.retrying.RetryingClient(broken, attempts=3)
        with pytest.raises(ConnectionRefusedError):
            client.get("key")

        assert [call.error for call in recording.take()] == ["ConnectionRefusedError"] * 3

    def test_the_time_of_a_call_is_its_time(self, recording):
        """Within five percent of what is measured around it."""
        with slow_server(b"END\r\n") as (host, port):
            client = pymemcache.Client((host, port))
            self.check_time(recording, client.get)
            client.close()
