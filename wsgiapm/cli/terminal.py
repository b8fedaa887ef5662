# SPDX-License-Identifier: Apache-2.0
"""Lines for people: what others have put into a path or a name must not reach the terminal as a command."""

from __future__ import annotations

_VISIBLE = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code != 9}


def say(line: str) -> None:
    """Print one line; control characters in it are shown, not obeyed."""
    print(line.translate(_VISIBLE))
