# SPDX-License-Identifier: Apache-2.0
"""pymemcache: what its client for one server does; pools, hashing and retrying clients are made of those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wsgiapm.instruments._commands import Places, is_command, is_command_of_many
from wsgiapm.instruments._patch import Call
from wsgiapm.span import CACHE

if TYPE_CHECKING:
    from wsgiapm.instruments._commands import Commands

MODULE = "pymemcache"
VERSIONS = ">=2,<5"
RECORDS = "commands, host and port or socket; of several servers, the one that is called"

_COMMANDS: Final = (
    "set", "add", "replace", "append", "prepend", "cas", "get", "gets", "delete", "incr", "decr", "touch", "stats",
    "version", "flush_all", "cache_memlimit", "raw_command",
)  # fmt: skip
_OF_MANY: Final = {
    **{name: name for name in ("get_many", "gets_many", "set_many", "delete_many")},
    **{f"{verb}_multi": f"{verb}_many" for verb in ("get", "set", "delete")},
}
_places = Places("memcached", CACHE)


def _of_client(client: Any) -> Commands:
    try:
        known: Commands = client._wsgiapm_commands  # noqa: SLF001
    except AttributeError:
        server = client.server
        address = (server,) if isinstance(server, (str, bytes)) else server
        known = client._wsgiapm_commands = _places.at(*address[:2])  # noqa: SLF001
    return known


PATCHES = (
    *(Call("pymemcache.client.base", f"Client.{name}", is_command(_of_client, name)) for name in _COMMANDS),
    *(
        Call("pymemcache.client.base", f"Client.{name}", is_command_of_many(_of_client, command))
        for name, command in _OF_MANY.items()
    ),
)
