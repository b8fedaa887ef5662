# SPDX-License-Identifier: Apache-2.0
"""The tests' own account of statements: what was sent, and how long that took, one line each in a file of all workers."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def measured(statement: str) -> Iterator[None]:
    """Write down how long a statement takes."""
    begun = time.perf_counter()
    try:
        yield
    finally:
        line = json.dumps([statement, time.perf_counter() - begun]) + "\n"
        # One write to a file opened for appending is one line, whoever else writes.
        file = os.open(os.environ["STATEMENTS_MEASURED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, line.encode())
        os.close(file)
