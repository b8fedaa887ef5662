# SPDX-License-Identifier: Apache-2.0
"""How many instructions does the middleware add to a request? The guard of the request path.

callgrind counts the instructions of two runs that differ in the number of requests only; the slope between them has
nothing of starting up in it, and repeats to the last instruction, also on a busy machine. The figure in instructions.json is
for one build of Python and means nothing to another. `make bench-instructions` shows it anew, and
`make bench-instructions ACCEPT=1` keeps what it finds.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor

from benchmarks.environments import ROOT, clean_environment

KEPT = os.path.join(ROOT, "benchmarks", "instructions.json")
TOLERANCE = 0.05
_SIZES = (200, 1200)
_BUILD_OPTIONS = ("--enable-optimizations", "--with-lto", "--enable-shared", "--with-pydebug")


class CannotCountError(Exception):
    """Why nothing can be counted, or compared, here."""


def interpreter() -> str:
    """Describe this build of Python as far as it decides how many instructions a bytecode takes."""
    given = str(sysconfig.get_config_var("CONFIG_ARGS") or "")
    options = [option for option in _BUILD_OPTIONS if option in given]
    parts = [
        platform.python_implementation(),
        platform.python_version(),
        platform.machine(),
        platform.python_compiler(),
    ]
    return " ".join([*parts, *options])


def count(what: str, requests: int) -> int:
    """Return the instructions of one whole run of `benchmarks.counted`."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        msg = "valgrind is not installed; on Debian: apt-get install valgrind"
        raise CannotCountError(msg)
    return _run([valgrind, "--tool=callgrind", "--callgrind-out-file=" + os.devnull], what, requests)


def _run(counter: list[str], what: str, requests: int) -> int:
    """Run `benchmarks.counted` under `counter` and return what that counted; 0 for no counter."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/dev/shm") as directory:
        done = subprocess.run(
            [*counter, sys.executable, "-m", "benchmarks.counted", what, str(requests)],
            cwd=ROOT,
            env=clean_environment(BENCH_DIRECTORY=directory, PYTHONHASHSEED="0"),
            capture_output=True,
            text=True,
            check=False,
        )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or (counter and found is None):
        msg = f"benchmarks.counted ended with status {done.returncode}:\n{done.stderr}"
        raise RuntimeError(msg)
    return int(found[1]) if found else 0


def slope(what: str) -> float:
    """Return the instructions of one request."""
    _run(
        [], what, 1
    )  # so that the modules are compiled: if one of the two runs had to do it, that would be in the slope
    with ThreadPoolExecutor(2) as pool:
        low, high = pool.map(lambda size: count(what, size), _SIZES)
    return (high - low) / (_SIZES[1] - _SIZES[0])


def added(what: str = "wrapped") -> int:
    """Return how many instructions the middleware adds to a request of an app that does nothing."""
    return round(slope(what) - slope("bare"))


def kept() -> int:
    """Return the figure kept for this interpreter; raises `CannotCountError` when there is none."""
    with open(KEPT, encoding="utf-8") as file:
        figures = json.load(file)
    minor = ".".join(platform.python_version_tuple()[:2])
    if minor not in figures:
        msg = f"no figure is kept for Python {minor}; to keep one: make bench-instructions ACCEPT=1"
        raise CannotCountError(msg)
    if figures[minor]["interpreter"] != interpreter():
        msg = f"the figure kept for Python {minor} is of {figures[minor]['interpreter']}, this is {interpreter()}"
        raise CannotCountError(msg)
    return int(figures[minor]["added"])


def judge(found: int, expected: int) -> str:
    """Return what is wrong with a figure, or an empty text."""
    if found <= expected * (1 + TOLERANCE):
        return ""
    return (
        f"the middleware adds {found} instructions to a request, {found / expected - 1:.1%} more than the {expected} kept in "
        f"benchmarks/instructions.json ({TOLERANCE:.0%} are let pass). Find what was added to the request path "
        "(make bench-profile); if it is worth it, accept it: make bench-instructions ACCEPT=1"
    )


def accept(found: int) -> None:
    """Keep a figure for this interpreter."""
    with open(KEPT, encoding="utf-8") as file:
        figures = json.load(file)
    minor = ".".join(platform.python_version_tuple()[:2])
    figures[minor] = {"added": found, "interpreter": interpreter()}
    with open(KEPT, "w", encoding="utf-8") as file:
        json.dump(dict(sorted(figures.items())), file, indent=1)
        file.write("\n")


def main() -> int:
    found = added()
    print(f"{found} instructions are added to a request ({interpreter()})")
    if "--accept" in sys.argv:
        accept(found)
        return 0
    try:
        problem = judge(found, kept())
    except CannotCountError as reason:
        print(f"not compared: {reason}")
        return 0
    print(problem or f"kept: {kept()}")
    return bool(problem)


if __name__ == "__main__":
    sys.exit(main())
