# SPDX-License-Identifier: Apache-2.0
"""Running what root has started as another user: the Python for it, and who gets in where."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SYSTEM_PYTHON = "/usr/bin/python3"


def closed_to_others(path):
    """The part of a path at which another user's way to it ends; None when there is none."""
    real = os.path.realpath(path)
    parents = [real]
    while parents[-1] != os.path.dirname(parents[-1]):
        parents.append(os.path.dirname(parents[-1]))
    if not os.stat(real).st_mode & 0o004:
        return real
    return next((part for part in parents[1:] if not os.stat(part).st_mode & 0o001), None)


def python_for_all():
    """A Python that every user may run, and that can use the packages of this one; skips when there is none."""
    closed = closed_to_others(sys.executable) or closed_to_others(os.__file__)
    if closed is None:
        return sys.executable
    ask = [SYSTEM_PYTHON, "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        version = subprocess.run(ask, check=True, capture_output=True, text=True, timeout=30).stdout.split()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"other users cannot get into {closed}, and there is no {SYSTEM_PYTHON}: {error}")
    if version != [str(part) for part in sys.version_info[:2]]:
        pytest.skip(f"other users cannot get into {closed}, and {SYSTEM_PYTHON} is {'.'.join(version)}")
    return SYSTEM_PYTHON
