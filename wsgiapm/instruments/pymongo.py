# SPDX-License-Identifier: Apache-2.0
"""PyMongo: the calls of its collections, databases and cursors, each with the command it is and the server that has it.

A call is recorded around all of it, for a document that could not be written is an error only there: to the driver's own
monitoring that command has succeeded. Which server gets it is known once it is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from wsgiapm.instruments._commands import Places
from wsgiapm.instruments._patch import Call
from wsgiapm.span import DB

if TYPE_CHECKING:
    from wsgiapm.span import Operation

MODULE = "pymongo"
VERSIONS = ">=4.9,<5"
RECORDS = "commands, database, collection, host and port; also of asyncio's client"

_COLLECTION: Final = {
    "insert": ("insert_one", "insert_many"),
    "update": ("update_one", "update_many", "replace_one"),
    "delete": ("delete_one", "delete_many"),
    "findAndModify": ("find_one_and_delete", "find_one_and_replace", "find_one_and_update"),
    "aggregate": ("aggregate", "aggregate_raw_batches", "count_documents", "watch"),
    "count": ("estimated_document_count",),
    "distinct": ("distinct",),
    "bulkWrite": ("bulk_write",),
    "drop": ("drop",),
    "createIndexes": ("create_index", "create_indexes"),
    "dropIndexes": ("drop_index", "drop_indexes"),
    "listIndexes": ("list_indexes", "index_information"),
    "listCollections": ("options",),
    "renameCollection": ("rename",),
}
_DATABASE: Final = {
    "aggregate": ("aggregate", "watch"),
    "create": ("create_collection",),
    "drop": ("drop_collection",),
    "listCollections": ("list_collections", "list_collection_names"),
    "validate": ("validate_collection",),
}
_CLIENT: Final = {
    "bulkWrite": ("bulk_write",),
    "dropDatabase": ("drop_database",),
    "listDatabases": ("list_databases", "list_database_names"),
}
_places = Places("mongodb", DB)


def _in_collection(name: str) -> Callable[..., Operation]:
    def describe(collection: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation:
        return _places.somewhere(name, collection.database.name, collection.name)

    return describe


def _in_database(name: str) -> Callable[..., Operation]:
    def describe(database: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation:
        return _places.somewhere(name, database.name)

    return describe


def _in_client(name: str) -> Callable[..., Operation]:
    def describe(_client: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation:
        return _places.somewhere(name)

    return describe


def _commanded(database: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation | None:
    command = args[0] if args else kwargs.get("command")
    if isinstance(command, Mapping):
        command = next(iter(command), "")
    return _places.somewhere(command, database.name) if isinstance(command, str) else None


def _fetched(cursor: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation | None:
    if cursor._data or cursor._killed or cursor._id == 0:  # noqa: SLF001  # what was fetched before will do
        return None
    collection = cursor._collection  # noqa: SLF001
    name = "find" if cursor._id is None else "getMore"  # noqa: SLF001
    return _places.somewhere(name, collection.database.name, collection.name)


def _sent(connection: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> None:
    """Say where the call goes that this connection sends a message for; the message is a part of it."""
    _places.send_to(connection.address[0], connection.address[1])


def _calls(
    module: str,
    holder: str,
    commands: Mapping[str, tuple[str, ...]],
    describe: Callable[[str], Callable[..., Operation]],
) -> tuple[Call, ...]:
    return tuple(
        Call(module, f"{holder}.{method}", describe(name)) for name, methods in commands.items() for method in methods
    )


def _patches(package: str, prefix: str) -> tuple[Call, ...]:
    return (
        *_calls(f"{package}.collection", f"{prefix}Collection", _COLLECTION, _in_collection),
        *_calls(f"{package}.database", f"{prefix}Database", _DATABASE, _in_database),
        *_calls(f"{package}.mongo_client", f"{prefix}MongoClient", _CLIENT, _in_client),
        Call(f"{package}.database", f"{prefix}Database.command", _commanded),
        Call(f"{package}.database", f"{prefix}Database.cursor_command", _commanded),
        Call(f"{package}.cursor", f"{prefix}Cursor._refresh", _fetched),
        Call(f"{package}.command_cursor", f"{prefix}CommandCursor._refresh", _fetched),
        Call(f"{package}.pool", f"{prefix}Connection.command", _sent),  # of older versions, which send it otherwise
        Call(f"{package}.pool", f"{prefix}Connection.send_message", _sent),
    )


PATCHES = (*_patches("pymongo.synchronous", ""), *_patches("pymongo.asynchronous", "Async"))
