# SPDX-License-Identifier: Apache-2.0
"""What the calls of the DB-API 2.0 (PEP 249) are, whatever the driver.

A statement becomes an operation once for each database, so that a call costs one lookup. Where a driver's classes are
written in C, subclasses of them take their places: users' own classes, `isinstance` and C functions go on working.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, partial, update_wrapper
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from wsgiapm.instruments._patch import Call, Describe, Failed, traced
from wsgiapm.instruments._reconnect import note_slow
from wsgiapm.instruments._record_sql import kept, when_changed
from wsgiapm.span import DB, Attributes, Operation
from wsgiapm.sqlshape import READ_AT_MOST, Shape, shape

if TYPE_CHECKING:
    from collections.abc import Iterator

METRIC: Final = "db.client.operation.duration"
ALIAS: Final = "wsgiapm.db.alias"
"""The private attribute with the name that a framework has for a connection."""
OTHER: Final = "(other)"
# An operation lives as long as the process, for its calls are counted under it.
_SHAPES_AT_MOST = 1000
_VERBS_AT_MOST = 50
_STATEMENTS_AT_MOST, _STATEMENTS_AT_LEAST = 2000, 100
_PLACES_AT_MOST = 200
_TEXT_AT_MOST = 4096
# What drivers call the second argument of `execute`.
_PARAMETERS = ("parameters", "params", "vars", "args")

_alias: ContextVar[str] = ContextVar(ALIAS, default="")


class Place:
    """A database as connections are made to it, and the operations that were made there.

    `statements` are those whose operation is known already. `fetch` takes time without being counted: it is a part of
    what was executed before.
    """

    __slots__ = ("_attributes", "_shapes", "_system", "_verbs", "fetch", "statements")

    def __init__(self, system: str, attributes: Attributes) -> None:
        """`system` is `db.system.name`; it and `attributes` are those of all operations here."""
        self._system = system
        self._attributes = (("db.system.name", system), *attributes)
        self.fetch = Operation("fetch", DB)
        self.forget()

    def forget(self) -> None:
        """Make all operations anew from now on."""
        self.statements: dict[Any, Operation] = {}
        self._shapes: dict[str, Operation] = {}
        self._verbs: dict[str, Operation] = {}

    def statement(self, statement: Any) -> Operation:
        """Return the operation that executing a statement is; it is text, or bytes."""
        operation = self.statements.get(statement)
        return self._learn(statement) if operation is None else operation

    def _learn(self, statement: Any) -> Operation:
        text = _text(statement[: READ_AT_MOST + 1])
        found = shape(text, self._system)
        operation = self._shapes.get(found.fingerprint)
        if operation is None:
            if len(self._shapes) >= _SHAPES_AT_MOST:
                return self.verb(found.operation)
            operation = self._shapes[found.fingerprint] = self._operation(found, text)
        if len(statement) <= _TEXT_AT_MOST:
            # Some have their values in the text; and of a database for each customer there are many.
            if len(self.statements) >= max(_STATEMENTS_AT_MOST // max(len(_places), 1), _STATEMENTS_AT_LEAST):
                self.statements.clear()
            self.statements[statement] = operation
        return operation

    def _operation(self, found: Shape, statement: str) -> Operation:
        attributes = [*self._attributes, ("wsgiapm.operation", found.fingerprint)]
        if found.operation:
            attributes.append(("db.operation.name", found.operation))
        if found.table:
            attributes.append(("db.collection.name", found.table))
        if kept() != "off":
            attributes.append(("db.query.text", statement[:_TEXT_AT_MOST] if kept() == "raw" else found.text))
        name = f"{found.operation} {found.table}".strip()
        return Operation(name or OTHER, DB, METRIC, tuple(sorted(attributes)))

    def verb(self, name: str) -> Operation:
        """Return the operation of a call that is no statement: `CONNECT`, `COMMIT`, `ROLLBACK`."""
        operation = self._verbs.get(name)
        if operation is None:
            if len(self._verbs) >= _VERBS_AT_MOST and name != OTHER:
                return self.verb(OTHER)
            attributes = (*self._attributes, ("db.operation.name", name or OTHER))
            operation = self._verbs[name] = Operation(name or OTHER, DB, METRIC, tuple(sorted(attributes)))
        return operation


_places: dict[tuple[str, Attributes], Place] = {}


def _forget_operations() -> None:
    for known in _places.values():
        known.forget()


when_changed(_forget_operations)


@contextmanager
def connecting_as(alias: str) -> Iterator[None]:
    """What connects within is known by an alias, which is recorded with each of its operations."""
    token = _alias.set(alias)
    try:
        yield
    finally:
        _alias.reset(token)


def place(system: str, namespace: object = "", address: object = "", port: object = None) -> Place:
    """Return a database by its name, and the host and port or the unix socket it is reached at; the same for the same."""
    attributes: list[tuple[str, str | int]] = []
    if namespace:
        attributes.append(("db.namespace", _text(namespace)))
    if address:
        attributes.append(("server.address", _text(address)))
        if port:
            attributes.append(("server.port", int(str(port))))
    if alias := _alias.get():
        attributes.append((ALIAS, alias))
    key = system, tuple(attributes)
    found = _places.get(key)
    if found is None:
        if len(_places) >= _PLACES_AT_MOST:
            key = system, (("db.namespace", OTHER),)
        found = _places.setdefault(key, Place(*key))
    return found


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


Trace = Callable[[Callable[..., Any], Describe, Failed], Callable[..., Any]]
"""Returns a method with a span around each call: `traced`, or what does as that does."""

Locate = Callable[[Any], "Place | None"]
"""Says where a connection goes, or that of a cursor; None for one that is closed."""


def place_of(locate: Callable[[Any], Place], connection: str = "") -> Locate:
    """Return a function that says where a connection goes, or that of a cursor by the name of its attribute.

    `locate` is asked only once for each connection.
    """
    connection_of = attrgetter(connection) if connection else None

    def find(connection: Any) -> Place | None:
        if connection_of is not None:
            connection = connection_of(connection)
        try:
            known: Place = connection._wsgiapm_place  # noqa: SLF001
        except AttributeError:
            if connection is None:
                return None
            with connecting_as(getattr(connection, "_wsgiapm_alias", _alias.get())):
                known = connection._wsgiapm_place = locate(connection)  # noqa: SLF001
        except ReferenceError:
            return None
        return known

    return find


def _plain(statement: Any, cursor: Any) -> Any:
    """Return a statement as text or bytes; the values in a template are left out."""
    if isinstance(statement, (str, bytes)):
        return statement
    if hasattr(statement, "as_string"):
        return statement.as_string(cursor)
    return "?".join(statement.strings) if hasattr(statement, "strings") else OTHER


def executes(find: Locate, argument: str) -> Describe:
    """Describe a method of a cursor whose first argument, of this name, is a statement."""

    def describe(cursor: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation | None:
        statement = args[0] if args else kwargs.get(argument)
        found = find(cursor)
        if found is None or statement is None:  # closed, or called wrongly: the driver will say so
            return None
        return found.statement(statement if type(statement) is str else _plain(statement, cursor))

    def slow(operation: Operation, cursor: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        statement = args[0] if args else kwargs.get(argument)
        parameters = args[1] if len(args) > 1 else next((kwargs[name] for name in _PARAMETERS if name in kwargs), None)
        note_slow(operation, cursor, statement, parameters)

    describe.slow = slow  # type: ignore[attr-defined]
    return describe


def calls_procedure(find: Locate, argument: str) -> Describe:
    """Describe a method whose first argument, of this name, is a stored procedure."""

    def describe(cursor: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation | None:
        found = find(cursor)
        return None if found is None else found.statement(f"CALL {args[0] if args else kwargs.get(argument)}")

    return describe


def is_verb(find: Locate, name: str) -> Describe:
    """Describe a method that does one thing: `COMMIT`."""

    def describe(connection: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation | None:
        found = find(connection)
        return None if found is None else found.verb(name)

    return describe


def fetches(find: Locate) -> Describe:
    """Describe a method that waits for rows."""

    def describe(cursor: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation | None:
        found = find(cursor)
        return None if found is None else found.fetch

    return describe


def calls(module: str, holder: str, methods: Mapping[str, Describe]) -> tuple[Call, ...]:
    """Return the patches for methods of a class."""
    return tuple(Call(module, f"{holder}.{name}", describe) for name, describe in methods.items())


def spanned(original: Callable[..., Any], describe: Describe, failed: Callable[[], None]) -> Callable[..., Any]:
    """Return a function, which is no method, with a span around each call; `describe` is given None for an instance."""
    call = traced(lambda _, *args, **kwargs: original(*args, **kwargs), describe, failed)
    return update_wrapper(partial(call, None), original)


class _Quiet:
    """Goes in front of the app's class: its `__init_subclass__` is neither told nor asked of classes that are ours."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        """Do nothing."""


def subclass(
    original: Any, methods: Mapping[str, Describe], failed: Failed, *front: type, trace: Trace = traced, **more: Any
) -> Any:
    """Return a class that passes for `original`, with spans around calls of `methods`, and with `more` of its own.

    Classes in `front` come before `original` among its bases; `trace` puts the spans around its methods.
    """
    spans = {
        name: trace(getattr(original, name), describe, failed)
        for name, describe in methods.items()
        if hasattr(original, name)
    }
    identity = {name: getattr(original, name) for name in ("__module__", "__qualname__", "__doc__")}
    return type(original.__name__, (*front, original), {**identity, **spans, **more})


def subclasses(methods: Mapping[str, Describe], failed: Failed, trace: Trace = traced) -> Callable[[Any], Any]:
    """Return a function that makes such a class of another, once; what is no class is given back as it is."""
    return _once(lambda original: subclass(original, methods, failed, _Quiet, trace=trace, __slots__=()))


def in_front_of(ours: type) -> Callable[[Any], Any]:
    """Return a function that puts a class of the app's in front of ours, once, so that what it passes on comes by."""
    return _once(lambda kind: type(kind.__name__, (_Quiet, kind, ours), {"__module__": kind.__module__}))


def _once(make: Callable[[type], Any]) -> Callable[[Any], Any]:
    remembered = lru_cache(maxsize=100)(make)

    def made(original: Any) -> Any:
        try:
            return remembered(original) if isinstance(original, type) else original
        except Exception:  # a gate: a class that allows none below it
            return original

    return made
