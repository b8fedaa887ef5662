# SPDX-License-Identifier: Apache-2.0
"""redis-py against Redis, alone and as a cluster, with its own client and asyncio's."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
import redis
import redis.asyncio
import redis.asyncio.cluster
import redis.sentinel

from tests.instruments.nosql.contract import CacheContract
from wsgiapm.span import CACHE

_CONNECT = """
import redis
def connect(host, port):
    return redis.Redis(connection_pool=redis.BlockingConnectionPool(host=host, port=port, max_connections=2, timeout=60))
"""


@pytest.fixture
def client(redis_server):
    """A client by TCP, as Django has one."""
    with redis.Redis(redis_server.host, redis_server.port) as client:
        client.flushall()
        yield client


class TestRedis(CacheContract):
    """redis-py."""

    names = ("SET", "GET")
    connect = _CONNECT

    @pytest.fixture
    def client(self, client, recording):
        """A client by TCP, before which nothing is recorded."""
        recording.take()
        return client

    @pytest.fixture
    def by_socket(self, redis_server, recording):
        """Connects by the unix socket."""
        with redis.from_url(f"unix://{redis_server.socket}") as client:
            yield client

    @pytest.fixture
    def path(self, redis_server):
        """Of the socket."""
        return redis_server.socket

    @pytest.fixture
    def broken(self):
        """Nobody listens."""
        return redis.Redis("127.0.0.1", 1, retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0))

    @pytest.fixture
    def error(self):
        """What it raises."""
        return redis.ConnectionError

    @pytest.fixture
    def place(self, redis_server):
        """With the number of the database."""
        return {
            "db.system.name": "redis",
            "db.namespace": "0",
            "server.address": redis_server.host,
            "server.port": redis_server.port,
        }

    def test_a_known_mix_is_counted_exactly(self, recording, client):
        """Each call once, whatever it sends besides to connect; pipelines are one each, empty ones none."""
        for number in range(7):
            client.hset("hash", "field", number)
        client.incr("count", 3)
        client.mget("a", "b")
        list(client.scan_iter(count=1))
        with client.pipeline() as pipeline:
            for number in range(5):
                pipeline.set(f"key-{number}", number).get(f"key-{number}")
            assert len(pipeline.execute()) == 10
            assert pipeline.execute() == []
        with client.pipeline(transaction=False) as pipeline:
            assert pipeline.get("key-1").execute() == [b"1"]

        counts = recording.counts()
        assert counts.pop("SCAN") >= 1
        assert counts == {"HSET": 7, "INCRBY": 1, "MGET": 1, "PIPELINE": 2}

    def test_watching_is_recorded(self, recording, client):
        """Its commands are sent at once, until MULTI."""
        client.transaction(lambda pipeline: (pipeline.get("key"), pipeline.multi(), pipeline.set("key", 1)), "key")

        assert recording.names() == ["WATCH", "GET", "PIPELINE"]

    def test_a_command_that_the_server_refuses_is_an_error(self, recording, client):
        """Alone and in a pipeline."""
        client.set("text", "x")
        recording.take()
        with pytest.raises(redis.ResponseError):
            client.incr("text")
        with pytest.raises(redis.ResponseError):
            client.pipeline().incr("text").execute()

        assert [(call.name, call.error) for call in recording.take()] == [
            ("INCRBY", "redis.exceptions.ResponseError"),
            ("PIPELINE", "redis.exceptions.ResponseError"),
        ]

    def test_subscribing_is_no_wait(self, recording, client):
        """Publishing is a call; waiting for messages has no end, and is none."""
        with client.pubsub() as subscription:
            subscription.subscribe("news")
            assert subscription.get_message(timeout=30)["type"] == "subscribe"
            client.publish("news", "a-secret")
            assert subscription.get_message(timeout=30)["data"] == b"a-secret"

        assert recording.names() == ["PUBLISH"]

    def test_the_time_of_a_call_is_its_time(self, recording, client):
        """Within five percent of what is measured around it, and the cache's."""
        with recording.transaction() as transaction:
            before = time.perf_counter_ns()
            client.blpop("nothing", 0.1)
            took = time.perf_counter_ns() - before

        [call] = recording.take()
        assert call.nanoseconds == pytest.approx(took, rel=0.05)
        assert call.nanoseconds >= 90e6
        spent = transaction.breakdown.components(transaction.start, transaction.start + 10 * took)
        assert spent[CACHE] == call.nanoseconds

    @pytest.mark.parametrize(
        ("command", "name"),
        [
            (("set", "key", "1"), "SET"),
            ((b"SET", "key", "1"), "SET"),
            (("SET a-secret 1",), "SET"),
            (("CONFIG GET", "port"), "CONFIG GET"),
            (("client id",), "CLIENT ID"),
        ],
    )
    def test_a_command_is_recorded_by_its_name(self, recording, client, command, name):
        """However it is spelt, and also where its arguments are in the same text."""
        client.execute_command(*command)

        assert recording.names() == [name]

    @pytest.mark.parametrize("command", ["alice@example.org 1", "\u1234"])
    def test_what_is_no_command_is_not_recorded_by_its_name(self, recording, client, command):
        """It may be anything."""
        with pytest.raises(redis.RedisError):
            client.execute_command(command)

        assert recording.names() == ["(other)"]

    def test_the_number_of_a_database_is_recorded(self, recording, redis_server):
        """Also from an address."""
        with redis.from_url(f"redis://{redis_server.host}:{redis_server.port}/3") as client:
            client.ping()

        [call] = recording.take()
        assert call.attributes["db.namespace"] == "3"

    def test_a_subclass_of_the_app_is_recorded(self, recording, redis_server):
        """Once, whatever it does before."""

        class Ours(redis.Redis):
            def execute_command(self, *args, **options):
                return super().execute_command(*args, **options)

        with Ours(redis_server.host, redis_server.port) as client:
            client.get("key")

        assert recording.names() == ["GET"]

    def test_a_sentinels_service_is_the_address(self, recording, redis_server):
        """Where it is changes with time; what asks the sentinel is a part of the call."""

        class Sentinel(redis.sentinel.Sentinel):
            def discover_master(self, service_name):
                return redis_server.host, redis_server.port

        client = Sentinel([]).master_for("walks-cache")
        client.get("key")
        client.get("key")

        calls = recording.take()
        assert [call.attributes["server.address"] for call in calls] == ["walks-cache"] * 2
        assert "server.port" not in calls[0].attributes

    def test_a_script_is_recorded(self, recording, client):
        """As the commands it needs, of which one may fail."""
        script = client.register_script("return ARGV[1]")

        assert script(args=["x"]) == b"x"
        assert [(call.name, call.error) for call in recording.take()] == [
            ("EVALSHA", "redis.exceptions.NoScriptError"),
            ("SCRIPT LOAD", None),
            ("EVALSHA", None),
        ]


def test_a_cluster_records_its_nodes(redis_cluster, recording):
    """The node that a command was sent to; a pipeline is one call, wherever its commands go."""
    with redis.RedisCluster(redis_cluster.host, redis_cluster.port) as client:
        recording.take()
        client.set("key", "1")
        assert client.get("key") == b"1"
        pipeline = client.pipeline()
        assert pipeline.execute() == []
        pipeline.get("key")
        pipeline.get("other")
        assert pipeline.execute() == [b"1", None]

    calls = recording.take()
    assert [call.name for call in calls] == ["SET", "GET", "PIPELINE"]
    for call in calls:
        assert call.attributes == {
            "db.system.name": "redis",
            "db.operation.name": call.name,
            "db.namespace": "0",
            "server.address": redis_cluster.host,
            "server.port": redis_cluster.port,
        }


def test_clients_of_asyncio_are_recorded(redis_server, recording):
    """They go on as before, several at a time."""

    async def work():
        async with redis.asyncio.Redis(host=redis_server.host, port=redis_server.port) as client:
            await asyncio.gather(*(client.set(f"key-{number}", number) for number in range(10)))
            async with client.pipeline() as pipeline:
                assert await pipeline.execute() == []
                assert await pipeline.get("key-1").get("key-2").execute() == [b"1", b"2"]
            with pytest.raises(redis.ResponseError):
                await client.lpop("key-1")

    asyncio.run(work())

    calls = recording.take()
    assert [(call.name, call.error) for call in calls] == [
        *[("SET", None)] * 10,
        ("PIPELINE", None),
        ("LPOP", "redis.exceptions.ResponseError"),
    ]
    assert {call.attributes["server.port"] for call in calls} == {redis_server.port}


def test_a_cluster_of_asyncio_is_recorded(redis_cluster, recording):
    """As the other is."""

    async def work():
        async with redis.asyncio.cluster.RedisCluster(host=redis_cluster.host, port=redis_cluster.port) as client:
            await client.set("key", "1")
            assert await client.pipeline().get("key").execute() == [b"1"]

    asyncio.run(work())

    calls = recording.take()
    assert [call.name for call in calls] == ["SET", "PIPELINE"]
    assert {call.attributes["server.port"] for call in calls} == {redis_cluster.port}


def test_a_pool_that_threads_share_has_one_place(redis_server, recording):
    """Whoever is the first."""
    pool = redis.ConnectionPool(host=redis_server.host, port=redis_server.port)
    seen = []

    def work():
        with recording.transaction():
            redis.Redis(connection_pool=pool).get("key")
            seen.append(recording.calls[-1].operation)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pool.disconnect()
    assert len(seen) == 8
    assert len(set(seen)) == 1
