# SPDX-License-Identifier: Apache-2.0
"""redis-py: each command that is sent by itself, and each pipeline as one.

What a subscription or MONITOR waits for is no command: they wait for as long as they are open. Commands that are told to
wait (BLPOP) take the time they wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wsgiapm.instruments._commands import Places
from wsgiapm.instruments._patch import Call
from wsgiapm.span import CACHE

if TYPE_CHECKING:
    from wsgiapm.instruments._commands import Commands
    from wsgiapm.span import Operation

MODULE = "redis"
VERSIONS = ">=3.5,<9"
RECORDS = "commands and pipelines, host, port or socket, database; in a cluster, the node; also of asyncio's clients"

# Commands whose second word says which command it is; what stands behind any other may be a key.
_OF_TWO_WORDS: Final = {
    "ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG", "FUNCTION", "HIMPORT", "LATENCY", "MEMORY", "MODULE", "OBJECT",
    "PUBSUB", "SCRIPT", "SENTINEL", "SLOWLOG", "XGROUP", "XINFO",
}  # fmt: skip


def _plain(command: Any) -> str:
    text = command.decode(errors="replace") if isinstance(command, bytes) else str(command)
    words = text.upper().split(None, 2)
    return " ".join(words[: 2 if words[0] in _OF_TWO_WORDS else 1]) if words else ""


_places = Places("redis", CACHE, _plain)


def _of_pool(pool: Any) -> Commands:
    try:
        known: Commands = pool._wsgiapm_commands  # noqa: SLF001
    except AttributeError:
        known = pool._wsgiapm_commands = _locate(pool)  # noqa: SLF001
    return known


def _locate(pool: Any) -> Commands:
    given = pool.connection_kwargs
    database = given.get("db") or 0
    if given.get("path"):
        return _places.at(given["path"], None, database)
    service = getattr(pool, "service_name", None)  # where a sentinel says where it is, which changes
    if service:
        return _places.at(service, None, database)
    return _places.at(given.get("host", "localhost"), given.get("port", 6379), database)


def _commanded(client: Any, args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation | None:
    return _of_pool(client.connection_pool)[args[0]] if args else None


def _piped(pipeline: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation | None:
    return _of_pool(pipeline.connection_pool)["PIPELINE"] if len(pipeline) else None


def _commanded_in_cluster(_: Any, args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation | None:
    return _places.at(args[0].host, args[0].port, 0)[args[1]] if len(args) > 1 else None


def _piped_in_cluster(pipeline: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation | None:
    if not len(pipeline):
        return None
    client = getattr(pipeline, "cluster_client", None) or getattr(pipeline, "_client", None) or pipeline
    node = client.nodes_manager.default_node
    return _places.at(node and node.host, node and node.port, 0)["PIPELINE"]


PATCHES = tuple(
    patch
    for package in ("redis", "redis.asyncio")
    for patch in (
        Call(f"{package}.client", "Redis.execute_command", _commanded),
        Call(f"{package}.client", "Pipeline.execute", _piped),
        Call(f"{package}.client", "Pipeline.immediate_execute_command", _commanded),
        Call(f"{package}.cluster", "RedisCluster._execute_command", _commanded_in_cluster),
        Call(f"{package}.cluster", "ClusterPipeline.execute", _piped_in_cluster),
    )
)
