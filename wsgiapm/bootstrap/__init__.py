# SPDX-License-Identifier: Apache-2.0
"""The directory that `wsgiapm run-program` puts on PYTHONPATH, so that every Python below it loads our sitecustomize.

There must be nothing else in it: whatever it held could be imported as a top-level module, in any program.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

PROGRAM_VARIABLE = "_WSGIAPM_PROGRAM"
"""Names the process that was asked for, which has to say so when nothing can be recorded in it; the others do not."""


def directory() -> str:
    """Return the absolute path of this directory."""
    return os.path.dirname(os.path.abspath(__file__))


def extended_environment(pid: int, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which Python loads us first, and all else as before.

    Args:
        pid: the process that will be the program.
        environment: the one to start from; that of this process by default.
    """
    environment = os.environ if environment is None else environment
    ours, theirs = directory(), environment.get("PYTHONPATH", "")
    places = [place for place in theirs.split(os.pathsep) if place != ours] if theirs else []
    return {**environment, "PYTHONPATH": os.pathsep.join([ours, *places]), PROGRAM_VARIABLE: str(pid)}
