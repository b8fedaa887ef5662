# SPDX-License-Identifier: Apache-2.0
"""What stands for an operation where it has no name of its own; both ends make it, so that it needs no room on the wire."""

from __future__ import annotations

from hashlib import blake2b


def digest(metric: str, attributes: tuple[tuple[str, object], ...]) -> str:
    """Return 16 hexadecimal digits for what is counted in a metric under attributes, which are sorted by name."""
    return blake2b(repr((metric, attributes)).encode(errors="replace"), digest_size=8).hexdigest()
