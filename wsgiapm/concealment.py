# SPDX-License-Identifier: Apache-2.0
"""Keeping secrets out of what others say and we pass on: a server may well repeat what it was sent."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SHORTEST = 4  # a word of less is no secret, and stands in any text
_MARK = "(not shown)"


def conceal(text: str, secrets: Iterable[str]) -> str:
    """Return `text` without the secrets: of an address its login, of a header its value, with and without the scheme."""
    for part in sorted({part for secret in secrets for part in _parts(secret)}, key=len, reverse=True):
        if len(part) >= _SHORTEST:
            text = text.replace(part, _MARK)
    return text


def _parts(secret: str) -> list[str]:
    if "://" in secret:
        login = re.match(r"[^:]*://([^/]*)@", secret)
        return [] if login is None else [login[1], *login[1].split(":")]
    return [secret, *secret.split()[-1:]]
