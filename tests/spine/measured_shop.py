# SPDX-License-Identifier: Apache-2.0
"""The example shop's settings, with a meter of the tests' own around every statement that Django sends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.backends.signals import connection_created
from meter import measured
from shop.settings import *  # noqa: F403  # settings are to be all those of the shop


def _execute(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    with measured(sql):
        return execute(sql, params, many, context)


def _install(connection: Any, **_: Any) -> None:
    connection.execute_wrappers.append(_execute)


connection_created.connect(_install)
