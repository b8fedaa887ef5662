# SPDX-License-Identifier: Apache-2.0
"""gunicorn: our server hooks go in front of those its configuration has, or behind them at the end of a process.

The hook of a worker wraps the app, so there is nothing else to do, whatever the worker's class and wherever it is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import ModuleType

from wsgiapm.entry.arrivals import Arrival
from wsgiapm.entry.gate import guarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_AT_BEGIN = ("on_starting", "post_fork", "post_worker_init")
_AT_END = ("worker_abort", "worker_exit", "child_exit", "on_exit")


def _attend(module: ModuleType) -> None:
    application = module.BaseApplication
    loading = application.do_load_config

    @wraps(loading)
    def do_load_config(self: Any) -> None:
        loading(self)
        guarded(_take_hooks, self.cfg)

    application.do_load_config = do_load_config


def _take_hooks(configuration: Any) -> None:
    from wsgiapm import gunicorn_hooks  # noqa: PLC0415  # loads the agent

    for name in (*_AT_BEGIN, *_AT_END):
        ours = getattr(gunicorn_hooks, name)
        theirs = configuration.settings[name].get()
        if theirs is not ours:  # else it has been loaded as the configuration says
            configuration.set(name, _before(ours, theirs) if name in _AT_BEGIN else _after(ours, theirs))


def _before(ours: Callable[..., None], theirs: Callable[..., Any]) -> Callable[..., None]:
    @wraps(theirs)
    def hook(*args: Any) -> None:
        guarded(ours, *args)
        theirs(*args)

    return hook


def _after(ours: Callable[..., None], theirs: Callable[..., Any]) -> Callable[..., None]:
    @wraps(theirs)
    def hook(*args: Any) -> None:
        try:
            theirs(*args)
        finally:
            guarded(ours, *args)

    return hook


ARRIVALS: dict[str, Arrival] = {"gunicorn.app.base": _attend}
