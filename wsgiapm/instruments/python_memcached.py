# SPDX-License-Identifier: Apache-2.0
"""python-memcached: which of its servers has a key is known when the command is sent.

The library keeps it to itself that a server does not answer, and so it is no error here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from wsgiapm.instruments._commands import Places
from wsgiapm.instruments._patch import Call
from wsgiapm.span import CACHE

if TYPE_CHECKING:
    from wsgiapm.span import Operation

MODULE = "memcache"
DISTRIBUTION = "python-memcached"
VERSIONS = ">=1.58,<2"
RECORDS = "commands, host and port or socket; of many keys on several servers, the first"

_COMMANDS: Final = (
    "set", "add", "replace", "append", "prepend", "cas", "get", "gets", "delete", "incr", "decr", "touch", "flush_all",
    "get_stats",
)  # fmt: skip
_OF_MANY: Final = ("get_multi", "set_multi", "delete_multi")
_places = Places("memcached", CACHE)


def _commands(name: str) -> Callable[..., Operation]:
    def describe(_client: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation:
        return _places.somewhere(name)

    return describe


def _commands_of_many(name: str) -> Callable[..., Operation | None]:
    def describe(_client: Any, args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation | None:
        nothing = args and hasattr(args[0], "__len__") and not len(args[0])
        return None if nothing else _places.somewhere(name)

    return describe


def _sent(host: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> None:
    """Say where the call goes that sends something here."""
    address = host.address
    _places.send_to(*((address, None) if isinstance(address, str) else address[:2]))


PATCHES = (
    *(Call(MODULE, f"Client.{name}", _commands(name)) for name in _COMMANDS),
    *(Call(MODULE, f"Client.{name}", _commands_of_many(name)) for name in _OF_MANY),
    Call(MODULE, "_Host.send_cmd", _sent),
    Call(MODULE, "_Host.send_cmds", _sent),
)
