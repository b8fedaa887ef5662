# SPDX-License-Identifier: Apache-2.0
"""The other end of a conversation: reads commands from standard input and answers on what was standard output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any


def answer_commands(commands: dict[str, Callable[..., Any]]) -> None:
    """Answer `{"do": NAME, ...}` by what that command returns, until standard input ends."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # whatever a peer prints is not an answer
        for line in sys.stdin:
            command = json.loads(line)
            result = commands[command.pop("do")](**command)
            answers.write(json.dumps(result) + "\n")
            answers.flush()
