# SPDX-License-Identifier: Apache-2.0
"""Caches of frameworks: what they do is counted once, by the client they use."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_caching import Cache

LIBRARIES = {
    "redis": ("django.core.cache.backends.redis.RedisCache", "redis://{}:{}"),
    "pymemcache": ("django.core.cache.backends.memcached.PyMemcacheCache", "{}:{}"),
    "pylibmc": ("django.core.cache.backends.memcached.PyLibMCCache", "{}:{}"),
}


@pytest.fixture
def address(request, name):
    """The server."""
    return request.getfixturevalue("redis_server" if name == "redis" else "memcached")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("redis", ["SET", "GET", "GET", "EXISTS", "DEL", "PIPELINE", "MGET", "EXISTS", "INCRBY"]),
        ("pymemcache", ["set", "get", "get", "get", "delete", "set_many", "get_many", "incr"]),
        ("pylibmc", ["set", "get", "get", "get", "delete", "set_multi", "get_multi", "incr"]),
    ],
)
def test_a_cache_of_django_is_recorded_by_its_client(recording, name, expected, address):
    """Each call once, at the server it goes to."""
    from django.core.cache import CacheHandler

    backend, location = LIBRARIES[name]
    pytest.importorskip(name)
    settings = {"BACKEND": backend, "LOCATION": location.format(address.host, address.port), "KEY_PREFIX": "django"}
    cache = CacheHandler({"default": settings})["default"]
    recording.take()
    cache.set("alice", 1)
    assert cache.get("alice") == 1
    assert cache.get("nobody", "default") == "default"
    assert "alice" in cache
    cache.delete("alice")
    cache.set_many({"a": 1, "b": 2})
    assert cache.get_many(["a", "b"]) == {"a": 1, "b": 2}
    assert cache.incr("a") == 2
    cache.close()

    calls = recording.take()
    assert [call.name for call in calls] == expected
    for call in calls:
        assert (call.attributes["server.address"], call.attributes["server.port"]) == (address.host, address.port)


def test_flask_caching_is_recorded_by_its_client(recording, redis_server):
    """Whatever it makes of the commands of Redis."""
    app = Flask(__name__)
    address = f"redis://{redis_server.host}:{redis_server.port}/0"
    cache = Cache(app, config={"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": address})
    with app.app_context():
        cache.set("alice", 1)
        assert cache.get("alice") == 1
        assert cache.get("nobody") is None

    calls = recording.take()
    assert [call.name for call in calls] == ["SET", "GET", "GET"]
    assert {call.attributes["server.port"] for call in calls} == {redis_server.port}
