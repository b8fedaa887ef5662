# SPDX-License-Identifier: Apache-2.0
"""The tests that libraries bring with them, with and without our instruments: `make test-libraries`.

The strongest proof there is that an instrument harms nobody: the same results, test by test. Source distributions come
from PyPI into .library-tests, where they stay. `python -m tests.libraries [--planted] [NAME ...]`; planted, an
instrument is broken on purpose, and the difference has to show.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.path.join(ROOT, ".library-tests")
_SHOWN = 20


class Library(NamedTuple):
    """A library whose source distribution has its tests in it.

    `version` is that of the distribution, empty for the one that is installed. `left_out` are options that leave tests
    out. `setup` names a module whose `prepare(directory)` is a context manager: what the tests need besides.
    """

    name: str
    tests: tuple[str, ...]
    version: str = ""
    configured: bool = True
    left_out: tuple[str, ...] = ()
    setup: str = ""


LIBRARIES = {
    library.name: library
    for library in (
        Library("bottle", ("test",), configured=False),
        Library("flask", ("tests",)),
        Library("jinja2", ("tests",)),
        # Those with servers of their own; the others want httpbin, which brings old versions of half of what is tested here.
        Library(
            "requests",
            tuple(f"tests/test_{name}.py" for name in ("adapters", "hooks", "lowlevel", "structures", "testserver")),
            configured=False,
        ),
        # Those with servers of their own; the others want httpbin, which brings old versions of half of what is tested here.
        Library(
            "requests",
            tuple(f"tests/test_{name}.py" for name in ("adapters", "hooks", "lowlevel", "structures", "testserver")),
            configured=False,
        ),
        # The last one that has all its tests in the distribution.
        Library("pymysql", ("pymysql/tests",), "0.10.1", configured=False, setup="tests.libraries.pymysql_server"),
        # Of one server; those of subscriptions, which are not recorded, take minutes.
        Library(
            "redis",
            tuple(
                f"tests/test_{name}.py" for name in ("commands", "pipeline", "lock", "scripting", "encoding", "monitor")
            ),
            configured=False,
            left_out=("-m", "not onlycluster and not redismod"),
            setup="tests.libraries.redis_server",
        ),
    )
}


def fetch(library: Library) -> str:
    """Return the directory with a library's source distribution, downloading it when it is not there yet."""
    wanted = library.version or version(library.name)
    place = os.path.join(CACHE, f"{library.name}-{wanted}")
    if os.path.isdir(place):
        return place
    os.makedirs(CACHE, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as directory:
        pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "download"]
        command = [*pip, "--no-deps", "--no-binary", ":all:", "-d", directory, f"{library.name}=={wanted}"]
        subprocess.run(command, check=True)
        [archive] = os.listdir(directory)
        with tarfile.open(os.path.join(directory, archive)) as tar:
            tar.extractall(directory, filter="data")
        [unpacked] = [name for name in os.listdir(directory) if name != archive]
        shutil.move(os.path.join(directory, unpacked), place)
    return place


def run(library: Library, place: str, instruments: str, *, planted: bool = False) -> dict[str, Any]:
    """Run a library's tests; `instruments` is "on" or "off". Returns what the plugin has written."""
    with tempfile.TemporaryDirectory() as directory:
        results = os.path.join(directory, "results.json")
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "WSGIAPM_"))
        }
        environment |= {
            "LIBRARY_INSTRUMENTS": instruments,
            "LIBRARY_PLANTED": "on" if planted else "off",
            "LIBRARY_RESULTS": results,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": os.path.join(ROOT, "tests", "libraries"),
            "PYTHONHASHSEED": "0",
        }
        own: list[str] = []
        if not library.configured:  # pytest would go on looking, and find ours
            own = ["-c", os.path.join(directory, "pytest.ini"), "--rootdir", place]
            with open(own[1], "w", encoding="utf-8") as file:
                file.write("[pytest]\n")
        pytest = [sys.executable, "-m", "pytest", "-q", "-p", "instrumented", "-p", "no:cacheprovider"]
        command = [*pytest, "--basetemp", os.path.join(directory, "tmp"), *own, *library.left_out, *library.tests]
        done = subprocess.run(
            command, cwd=place, env=environment, capture_output=True, text=True, timeout=900, check=False
        )
        try:
            with open(results, encoding="utf-8") as file:
                return dict(json.load(file), output=done.stdout)
        except FileNotFoundError:
            raise RuntimeError(f"the tests of {library.name} did not run:\n{done.stdout}\n{done.stderr}") from None


def summary(found: dict[str, Any]) -> str:
    """Say how many tests had which result."""
    outcomes = list(found["outcomes"].values())
    return ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in sorted(set(outcomes))) or "no tests"


def differences(without: dict[str, str], with_: dict[str, str]) -> list[str]:
    """Return a line for each test that does not have the same result."""
    return [
        f"{test}: {without.get(test, 'not run')} without, {with_.get(test, 'not run')} with"
        for test in sorted({*without, *with_})
        if without.get(test) != with_.get(test)
    ]


def compare(library: Library, *, planted: bool = False) -> bool:
    """Run a library's tests without and with instruments, print both; returns whether all is the same."""
    place = fetch(library)
    with ExitStack() as stack:
        if library.setup:
            stack.enter_context(importlib.import_module(library.setup).prepare(place))
        without = run(library, place, "off")
        with_ = run(library, place, "on", planted=planted)
    different = differences(without["outcomes"], with_["outcomes"])
    print(f"{os.path.basename(place)} without instruments: {summary(without)}")
    recorded = (
        f"{with_['spans']} spans and {len(with_['routes'])} routes recorded, {len(with_['failures'])} errors of ours"
    )
    print(f"{os.path.basename(place)} with instruments:    {summary(with_)}; {recorded}")
    for line in [*different[:_SHOWN], *with_["failures"][:_SHOWN]]:
        print(f"  {line}")
    if different:
        print(f"  {len(different)} tests have other results")
        print(with_["output"][-4000:])
    return bool(without["outcomes"]) and not different and not with_["failures"]


def main() -> int:
    """Compare the libraries named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*LIBRARIES, []], metavar="NAME")
    parser.add_argument("--planted", action="store_true")
    arguments = parser.parse_args()
    same = True
    for name in arguments.names or LIBRARIES:
        try:
            same &= compare(LIBRARIES[name], planted=arguments.planted)
        except PackageNotFoundError:
            print(f"{name}: not installed, not tested")
            same = False
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
