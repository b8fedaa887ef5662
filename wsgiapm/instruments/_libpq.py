# SPDX-License-Identifier: Apache-2.0
"""Where connections of PostgreSQL's client library go, for both drivers that use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wsgiapm.instruments._dbapi import Place, place

SYSTEM = "postgresql"


def place_of_info(info: Any) -> Place:
    """Return where a connection has really gone; `info` has host, port and dbname."""
    return _place(info.dbname, info.host or "", info.port)


def place_asked_for(parameters: Mapping[str, Any]) -> Place:
    """Return where a connection is to go first, by the parameters it is asked for with."""
    host = parameters.get("host") or parameters.get("hostaddr") or ""
    name = parameters.get("dbname") or parameters.get("database") or parameters.get("user") or ""
    port = str(parameters.get("port") or 5432).partition(",")[0]
    return _place(name, str(host).partition(",")[0], port)


def _place(name: object, host: str, port: object) -> Place:
    if host.startswith(("/", "@")):  # a directory, or an abstract name
        return place(SYSTEM, name, f"{host}/.s.PGSQL.{port}")
    return place(SYSTEM, name, host, port)
