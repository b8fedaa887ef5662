# SPDX-License-Identifier: Apache-2.0
"""What redis-py's tests need: a Redis, whose address stands in their conftest."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

from tests.caches import running_redis

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def prepare(directory: str) -> Iterator[None]:
    """Run it, as long as the context lasts."""
    path = os.path.join(directory, "tests", "conftest.py")
    with open(path, encoding="utf-8") as file:
        source = file.read()
    with running_redis("--enable-debug-command", "local") as server:
        address = f'default_redis_url = "redis://{server.host}:{server.port}/0"'
        with open(path, "w", encoding="utf-8") as file:
            file.write(re.sub(r'^default_redis_url = ".*"$', address, source, flags=re.MULTILINE))
        yield
