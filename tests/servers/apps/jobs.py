# SPDX-License-Identifier: Apache-2.0
"""Jobs for workers: each leaves a file in the directory that MARKS names, with who ran it."""

from __future__ import annotations

import os
import time


def _mark(name: str) -> None:
    with open(os.path.join(os.environ["MARKS"], name), "w", encoding="ascii") as file:
        file.write(str(os.getppid()))


def do(name: str) -> None:
    """Do it at once."""
    _mark(name)


def begin_and_wait(name: str) -> None:
    """Begin, and be done when somebody says so."""
    _mark(f"{name}-begun")
    while not os.path.exists(os.path.join(os.environ["MARKS"], f"{name}-go")):
        time.sleep(0.05)
    _mark(name)
