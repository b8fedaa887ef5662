# SPDX-License-Identifier: Apache-2.0
"""The files the apps of the corpus send: the same for every process, so that dates and tags are the same too."""

from __future__ import annotations

import os

LARGE = "large.bin"
SMALL = "small.txt"
_SIZE = 3 * 1024 * 1024
_MODIFIED = 1_700_000_000


def make_files(directory: str) -> None:
    """Write them."""
    pattern = bytes(range(256)) * 4096
    for name, content in ((LARGE, (pattern * 3)[:_SIZE]), (SMALL, "grüße, 你好\n".encode() * 20)):
        path = os.path.join(directory, name)
        with open(path, "wb") as file:
            file.write(content)
        os.utime(path, (_MODIFIED, _MODIFIED))
