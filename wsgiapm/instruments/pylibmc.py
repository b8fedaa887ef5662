# SPDX-License-Identifier: Apache-2.0
"""pylibmc, which is libmemcached: of several servers, C code alone knows which has a key."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from wsgiapm.instruments._commands import Places, is_command, is_command_of_many
from wsgiapm.instruments._patch import Call
from wsgiapm.span import CACHE

if TYPE_CHECKING:
    from wsgiapm.instruments._commands import Commands

MODULE = "pylibmc"
VERSIONS = ">=1.5,<2"
RECORDS = "commands, host and port or socket where there is one server"

_COMMANDS: Final = (
    "set", "add", "replace", "append", "prepend", "cas", "get", "gets", "delete", "incr", "decr", "touch", "flush_all",
    "get_stats",
)  # fmt: skip
_OF_MANY: Final = ("get_multi", "set_multi", "add_multi", "delete_multi", "incr_multi")
_places = Places("memcached", CACHE)


def _of_client(client: Any) -> Commands:
    try:
        known: Commands = client._wsgiapm_commands  # noqa: SLF001
    except AttributeError:
        known = client._wsgiapm_commands = _locate(client.addresses)  # noqa: SLF001
    return known


def _locate(servers: list[Any]) -> Commands:
    if len(servers) != 1:
        return _places.at()
    _kind, address, port, _weight = sys.modules["pylibmc.client"].translate_server_spec(servers[0])
    return _places.at(address, port)


PATCHES = (
    *(Call("pylibmc.client", f"Client.{name}", is_command(_of_client, name)) for name in _COMMANDS),
    *(Call("pylibmc.client", f"Client.{name}", is_command_of_many(_of_client, name)) for name in _OF_MANY),
)
