# SPDX-License-Identifier: Apache-2.0
"""Named tuples that cost little to define.

`typing.NamedTuple` compiles a constructor for each class, which was a quarter of the time that importing the agent took.
These are the same to whoever uses them, and to a type checker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple  # noqa: PLC0414  # for others to import from here
else:
    try:
        from _collections import _tuplegetter as _make_getter
    except ImportError:  # another Python than CPython
        from operator import itemgetter

        def _make_getter(position: int, doc: str) -> property:
            return property(itemgetter(position), doc=doc)

    _new = tuple.__new__

    def _arrange(kind: type, values: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        """Return all values in order; raises TypeError as a function does."""
        fields = kind._fields
        given = dict(zip(fields, values, strict=False))
        if len(values) > len(fields) or not named.keys().isdisjoint(given) or not named.keys() <= set(fields):
            msg = f"{kind.__name__}({', '.join(fields)}) does not take {len(values)} values and {', '.join(named)}"
            raise TypeError(msg)
        all_of_them = {**kind._field_defaults, **given, **named}
        missing = [field for field in fields if field not in all_of_them]
        if missing:
            msg = f"{kind.__name__}({', '.join(fields)}) was not given {', '.join(missing)}"
            raise TypeError(msg)
        return tuple([all_of_them[field] for field in fields])

    def _make_constructor(size: int) -> Any:
        def construct(cls: type, *values: Any, **named: Any) -> Any:
            if named or len(values) != size:
                values = _arrange(cls, values, named)
            return _new(cls, values)

        return construct

    class _Fields(tuple):
        """What all of them can do."""

        __slots__ = ()

        def _replace(self, **named: Any) -> Any:
            return type(self)(**{**self._asdict(), **named})

        def _asdict(self) -> dict[str, Any]:
            return dict(zip(self._fields, self, strict=True))

        def __getnewargs__(self) -> tuple[Any, ...]:
            return tuple(self)

        def __repr__(self) -> str:
            return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._asdict().items())})"

    class _Definition(type):
        """Makes of `class Point(NamedTuple)` a tuple, as if it had been defined that way."""

        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = tuple(body.get("__annotations__", ()))
            body["_field_defaults"] = {field: body[field] for field in fields if field in body}
            body["_fields"] = body["__match_args__"] = fields
            body["__slots__"] = ()
            body["__new__"] = _make_constructor(len(fields))
            for position, field in enumerate(fields):
                body[field] = _make_getter(position, f"Field {position}")
            return type(name, (_Fields,), body)

    class NamedTuple(metaclass=_Definition):
        """See the module."""
