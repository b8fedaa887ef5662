# SPDX-License-Identifier: Apache-2.0
"""Commands that load an app and then serve it: right before, the instruments are installed.

What the app opens while it is imported, a pool of connections, is then recorded. None of these has gevent patch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from types import ModuleType

from wsgiapm.entry.arrivals import Arrival
from wsgiapm.entry.gate import guarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The module of a command, and its function that loads the app.
COMMANDS = (
    ("cheroot.cli", "main"),
    ("flask.cli", "run_command.callback"),
    ("waitress.runner", "run"),
)


def _attend(target: str, module: ModuleType) -> None:
    *path, name = target.split(".")
    holder: Any = module
    for part in path:
        holder = getattr(holder, part)
    setattr(holder, name, _prepared(getattr(holder, name)))


def _prepared(command: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        guarded(_prepare)
        return command(*args, **kwargs)

    return run


def _prepare() -> None:
    from wsgiapm.enclosing import prepare  # noqa: PLC0415  # the agent is loaded where there is an app to record

    prepare()


ARRIVALS: dict[str, Arrival] = {module: partial(_attend, target) for module, target in COMMANDS}
