# SPDX-License-Identifier: Apache-2.0
"""An app of Bottle that knows nothing of being watched."""

from __future__ import annotations

import walks
from bottle import Bottle

application = Bottle()


@application.get("/walks/<length:int>")
def longer(length: int) -> str:
    """Ask once."""
    return walks.longer_than(length)


@application.get("/walks/add/<name>")
def add(name: str) -> str:
    """Write six times."""
    return walks.add(name, [1, 2, 3, 4, 5, 6])


@application.get("/fail")
def fail() -> str:
    """Ask for what there is not."""
    return walks.fail()
