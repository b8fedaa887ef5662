# SPDX-License-Identifier: Apache-2.0
"""python-memcached against memcached."""

from __future__ import annotations

import contextvars
import threading

import memcache
import pytest

from tests.caches import running_memcached
from tests.instruments.nosql.contract import CacheContract, slow_server


class TestPythonMemcached(CacheContract):
    """python-memcached."""

    connect = """
import memcache
def connect(host, port):
    return memcache.Client([f"{host}:{port}"])
"""
    test_a_call_that_fails_is_counted_as_that = None  # it raises nothing

    @pytest.fixture
    def client(self, memcached, recording):
        """A client by TCP; each thread has connections of its own."""
        client = memcache.Client([f"{memcached.host}:{memcached.port}"])
        yield client
        client.disconnect_all()

    @pytest.fixture
    def by_socket(self, memcached_socket, recording):
        """Connects by the unix socket."""
        client = memcache.Client([f"unix:{memcached_socket.socket}"])
        yield client
        client.disconnect_all()

    @pytest.fixture
    def path(self, memcached_socket):
        """Of the socket."""
        return memcached_socket.socket

    @pytest.fixture
    def place(self, memcached):
        """Host and port."""
        return {"db.system.name": "memcached", "server.address": memcached.host, "server.port": memcached.port}

    def test_a_known_mix_is_counted_exactly(self, recording, client, place):
        """Each call once, all at the one server; what asks for nothing is none."""
        for number in range(5):
            client.set(f"key-{number}", "1")
        client.add("key-1", "2")
        assert client.incr("key-1", 2) == 3
        assert client.decr("key-1", 1) == 2
        assert client.get_multi(["key-1", "key-2"]) == {"key-1": "2", "key-2": "1"}
        assert client.get_multi([]) == {}
        client.set_multi({"a": "1", "b": "2"})
        client.delete_multi(["a", "b"])
        client.delete("key-1")

        calls = recording.take()
        assert [call.name for call in calls] == [
            *["set"] * 5, "add", "incr", "decr", "get_multi", "set_multi", "delete_multi", "delete",
        ]  # fmt: skip
        for call in calls:
            assert call.attributes == {**place, "db.operation.name": call.name}

    def test_of_several_servers_the_one_with_the_key_is_recorded(self, recording, memcached):
        """As the client has chosen it."""
        with running_memcached() as other:
            client = memcache.Client([f"{memcached.host}:{memcached.port}", f"{other.host}:{other.port}"])
            for number in range(20):
                client.set(f"key-{number}", "1")
            client.disconnect_all()

        calls = recording.take()
        assert len(calls) == 20
        assert {call.attributes["server.port"] for call in calls} == {memcached.port, other.port}

    def test_each_thread_records_its_calls(self, recording, client):
        """For the transaction of its context, over a connection of its own."""

        def work():
            for number in range(25):
                client.set(f"thread-{number}", "1")
            client.disconnect_all()

        threads = [threading.Thread(target=contextvars.copy_context().run, args=(work,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert recording.counts() == {"set": 100}

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves its socket open
    def test_a_server_that_is_not_there_is_no_error(self, recording):
        """The library says that there is no such key, and so the app goes on."""
        assert memcache.Client(["127.0.0.1:1"]).get("key") is None

        [call] = recording.take()
        assert (call.name, call.error) == ("get", None)
        assert "server.address" not in call.attributes

    def test_the_time_of_a_call_is_its_time(self, recording):
        """Within five percent of what is measured around it."""
        with slow_server(b"END\r\n") as (host, port):
            client = memcache.Client([f"{host}:{port}"])
            self.check_time(recording, client.get)
            client.disconnect_all()
