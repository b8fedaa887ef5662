# SPDX-License-Identifier: Apache-2.0
"""Being told when a module has been imported, without importing anything: not even wrapt, which draws asyncio in.

gevent may still have to patch, and most programs never import what we look out for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

from wsgiapm.entry.gate import guarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Arrival = Callable[[ModuleType], None]


class _Watch:
    """A finder that finds what the others find, and has the loader tell us when it is done."""

    def __init__(self) -> None:
        self.awaited: dict[str, list[Arrival]] = {}

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> Any:
        """Return the spec another finder has for a module that is awaited; None for any other."""
        if name not in self.awaited:
            return None
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            spec = None if find is None or isinstance(finder, _Watch) else find(name, path, target)
            if spec is not None:
                self._wait_for_end(name, spec.loader)
                return spec
        return None

    def _wait_for_end(self, name: str, loader: Any) -> None:
        execute: Callable[[ModuleType], None] = getattr(loader, "exec_module", lambda _module: None)

        def exec_module(module: ModuleType) -> None:
            del loader.exec_module  # the loader is again as it was made
            execute(module)
            for arrival in self.awaited.pop(name, ()):
                guarded(arrival, module)

        try:
            loader.exec_module = exec_module
        except (AttributeError, TypeError):  # a loader that is no object of its own: nothing we know comes that way
            return


_watch = _Watch()


def watch_for(arrivals: Mapping[str, Arrival]) -> None:
    """Call each function with the module it is for: at once where that has been imported, else when it has been."""
    for name, arrival in arrivals.items():
        module = sys.modules.get(name)
        if module is None:
            _watch.awaited.setdefault(name, []).append(arrival)
        else:
            guarded(arrival, module)
    if _watch not in sys.meta_path:
        sys.meta_path.insert(0, _watch)
