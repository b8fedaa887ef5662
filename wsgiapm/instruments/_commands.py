# SPDX-License-Identifier: Apache-2.0
"""What the commands of caches and document stores are, whatever the library: one operation for each command and place.

Recorded are the command, where it goes and, of documents, the database and collection; keys and values are not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from wsgiapm.instruments._calls import Describe, innermost
from wsgiapm.span import Attributes, Operation

METRIC: Final = "db.client.operation.duration"
OTHER: Final = "(other)"
# An operation lives as long as the process, for its calls are counted under it.
_PLACES_AT_MOST = 500
_NAMES_AT_MOST = 300
_SPELLINGS_AT_MOST = 1000
_NAME = re.compile(r"[A-Za-z][\w. -]{0,40}", re.ASCII)

Key = tuple["str | int | None", ...]


class Commands(dict[Any, Operation]):
    """The operations at one place, by command as the library spells it: `commands["GET"]` is made at the first look.

    `plain` turns a spelling into the command's name.
    """

    def __init__(self, system: str, component: int, attributes: Attributes, plain: Callable[[Any], str] = str) -> None:
        """`system` is `db.system.name`, `component` the number of one of `COMPONENTS`."""
        super().__init__()
        self._component = component
        self._attributes: Attributes = (("db.system.name", system), *attributes)
        self._plain = plain
        self._names: dict[str, Operation] = {}

    def __missing__(self, spelling: Any) -> Operation:
        name = self._plain(spelling)
        if not _NAME.fullmatch(name):
            name = OTHER
        operation = self._names.get(name)
        if operation is None:
            if len(self._names) >= _NAMES_AT_MOST and name != OTHER:
                return self[OTHER]
            attributes = tuple(sorted((*self._attributes, ("db.operation.name", name))))
            operation = self._names[name] = Operation(name, self._component, METRIC, attributes)
        if len(self) < _SPELLINGS_AT_MOST and len(spelling) <= 2 * _NAMES_AT_MOST:
            self[spelling] = operation
        return operation


class Places:
    """All places of one system that commands are sent to."""

    def __init__(self, system: str, component: int, plain: Callable[[Any], str] = str) -> None:
        """See `Commands`."""
        self._system = system
        self._component = component
        self._plain = plain
        self._known: dict[Key, Commands] = {}
        self._unplaced: dict[tuple[str, str, str], Operation] = {}
        self._waiting: dict[Operation, tuple[str, str, str]] = {}

    def at(
        self, address: object = None, port: object = None, namespace: object = None, collection: object = None
    ) -> Commands:
        """Return the commands at a host and port or a unix socket, of a database, in a collection; the same for the same."""
        key = _text(address), int(str(port)) if port else None, _text(namespace), _text(collection)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _PLACES_AT_MOST:
                key = OTHER, None, None, None
            names = ("server.address", "server.port", "db.namespace", "db.collection.name")
            attributes = tuple((name, value) for name, value in zip(names, key, strict=True) if value is not None)
            made = Commands(self._system, self._component, attributes, self._plain)
            found = self._known.setdefault(key, made)
        return found

    def somewhere(self, name: str, namespace: str = "", collection: str = "") -> Operation:
        """Return a command of which `send_to` tells where it goes when it is sent; if it is not, nobody knows."""
        key = name, namespace, collection
        operation = self._unplaced.get(key)
        if operation is None:
            operation = self.at(None, None, namespace, collection)[name]
            if len(self._unplaced) < _SPELLINGS_AT_MOST and "server.address" not in dict(operation.attributes):
                self._unplaced[key] = operation
                self._waiting[operation] = key
        return operation

    def send_to(self, address: object, port: object) -> None:
        """Tell where the call goes that waits here for its answer, if that is not known; the first place counts."""
        span = innermost()
        key = self._waiting.get(span.operation) if span is not None else None
        if span is not None and key is not None:
            name, namespace, collection = key
            span.operation = self.at(address, port, namespace, collection)[name]


def _text(value: object) -> str | None:
    if value is None or value == "":
        return None
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def is_command(find: Callable[[Any], Commands], name: str) -> Describe:
    """Describe a method that is one command, at the place `find` tells of its instance."""

    def describe(instance: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation:
        return find(instance)[name]

    return describe


def is_command_of_many(find: Callable[[Any], Commands], name: str) -> Describe:
    """Describe a method that is one command for all keys it is given; none of them is no command."""

    def describe(instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation | None:
        keys = args[0] if args else next(iter(kwargs.values()), ())
        return None if hasattr(keys, "__len__") and not len(keys) else find(instance)[name]

    return describe
