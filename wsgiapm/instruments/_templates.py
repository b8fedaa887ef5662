# SPDX-License-Identifier: Apache-2.0
"""Templates as operations: one for each name, made once and kept, of which there are only so many."""

from __future__ import annotations

from wsgiapm.span import TEMPLATE, Operation

AT_MOST = 1000
_LONGEST_NAME = 200


def _make(name: str) -> Operation:
    return Operation(name, TEMPLATE, hides=False)


UNNAMED = _make("(string)")
"""Templates that were made of a string."""
OTHER = _make("(other)")

_whole: dict[str | None, Operation] = {None: UNNAMED}
_streamed: dict[str | None, Operation] = {None: _make("(string)")}


def rendering(name: str | None) -> Operation:
    """Return what rendering a template in one go is; without a name it is one of a string."""
    operation = _whole.get(name)
    return _learn(_whole, name) if operation is None else operation


def streaming(name: str | None) -> Operation:
    """Return what rendering a template piece by piece is."""
    operation = _streamed.get(name)
    return _learn(_streamed, name) if operation is None else operation


def is_rendering(operation: Operation) -> bool:
    """Tell whether an operation is the rendering of a template in one go."""
    return _whole.get(operation.name) is operation or operation is UNNAMED


def _learn(operations: dict[str | None, Operation], name: str | None) -> Operation:
    if name is None or len(operations) > AT_MOST or len(name) > _LONGEST_NAME:
        return OTHER
    return operations.setdefault(name, _make(name))
