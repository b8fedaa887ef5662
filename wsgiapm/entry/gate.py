# SPDX-License-Identifier: Apache-2.0
"""The bootstrap's gate: what we do within a server's start must not be able to stop it."""

from __future__ import annotations

from collections.abc import Callable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def guarded(step: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a step of ours returns; None when it raises, which is counted and said in the log."""
    try:
        return step(*arguments)
    except Exception:  # a gate
        _tell()
        return None


def _tell() -> None:
    from wsgiapm import agent  # noqa: PLC0415  # loaded only where there is a server
    from wsgiapm.aggregate import layout  # noqa: PLC0415

    agent.failed(layout.BOOTSTRAP_ERRORS)
