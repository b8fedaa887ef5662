# SPDX-License-Identifier: Apache-2.0
"""The matrix of servers: what the tests here declare to cover, how the last run went, and the table in docs/servers.md.

A test declares what it covers with a mark; a parameter can carry one of its own:

    @covers("waitress", "one process, 4 threads", "SIGTERM and start")
    pytest.param(..., marks=covers("gunicorn", "gthread", "HUP", "USR2 + TERM"))

`make test-servers` runs all tests here, writes results.json and, from that, the table. A part can be run and put into
the results: `SERVER_RESULTS=tests/servers/results.json pytest tests/servers/test_x.py && python -m tests.servers.matrix`.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

HERE = os.path.dirname(os.path.abspath(__file__))
RESULTS = os.path.join(HERE, "results.json")
DOCUMENT = os.path.join(os.path.dirname(os.path.dirname(HERE)), "docs", "servers.md")
BEGIN, END = "<!-- written by `make test-servers` -->\n", "<!-- until here -->\n"
MARK = "matrix"


def _package(name: str) -> Callable[[], str]:
    return lambda: importlib.metadata.version(name)


def _program(*command: str) -> Callable[[], str]:
    def ask() -> str:
        if shutil.which(command[0]) is None:
            return "not installed"
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        found = re.search(r"\d+\.\d+(\.\d+)*", done.stdout + done.stderr)
        return found[0] if found else "unknown"

    return ask


# How a server is called here, in the order of the table, and how its version is found.
SERVERS: dict[str, Callable[[], str]] = {
    "gunicorn": _package("gunicorn"),
    "gunicorn 21.2": lambda: "21.2.0",
    "uwsgi": _package("uwsgi"),
    "uwsgi 2.0.26": lambda: "2.0.26",
    "mod_wsgi": _package("mod_wsgi"),
    "waitress": _package("waitress"),
    "cheroot": _package("cheroot"),
    "Tornado WSGIContainer": _package("tornado"),
    "werkzeug": _package("werkzeug"),
    "Django runserver": _package("django"),
    "wsgiref": platform.python_version,
    "supervisor": _package("supervisor"),
    "nginx": _program("nginx", "-v"),
}


class Case(NamedTuple):
    """One cell: exact numbers under this server, set up like this, after this kind of restart or stop."""

    server: str
    configuration: str
    restart: str


class Result(NamedTuple):
    """How it went: passed, failed or skipped, and why it was skipped."""

    outcome: str
    reason: str = ""


def covers(server: str, configuration: str, *restarts: str) -> Any:
    """Mark a test, or one set of its parameters, as covering these cases. `server` is a key of SERVERS.

    `{name}` in a text stands for the parameter of that name: `@covers("gunicorn", "{worker}", "HUP")`.
    """
    import pytest

    if ("{" not in server and server not in SERVERS) or not restarts:
        raise ValueError(f"{server!r} is not in SERVERS, or no restart is named")
    return pytest.mark.matrix(*(Case(server, configuration, restart) for restart in restarts))


def cases_of(item: Any) -> list[Case]:
    """Return what a collected test declares."""
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    declared = [case for mark in item.iter_markers(MARK) for case in mark.args]
    return [Case(*(text.format(**parameters) for text in case)) for case in declared]


class Run:
    """What a test session has collected and found out."""

    def __init__(self) -> None:
        self.declared: set[Case] = set()
        self.files: set[str] = set()
        self.results: dict[Case, Result] = {}

    def collect(self, items: Iterable[Any]) -> None:
        """Note what the tests of this directory declare."""
        for item in items:
            directory, name = os.path.split(str(item.path))
            if directory == HERE:
                self.files.add(name)
                self.declared.update(cases_of(item))

    @property
    def is_whole(self) -> bool:
        """Whether every file of this directory was collected."""
        there = {name for name in os.listdir(HERE) if name.startswith("test_") and name.endswith(".py")}
        return there <= self.files | {"test_matrix.py"}

    def note(self, item: Any, report: Any) -> None:
        """Note one phase of one test: one that fails makes its cases fail, whatever the others do."""
        result = Result(report.outcome, _reason(report))
        if report.when != "call" and report.passed:
            return
        for case in cases_of(item):
            if case not in self.results or self.results[case].outcome != "failed":
                self.results[case] = result

    def write(self, path: str) -> None:
        """Put the results into the file; those of cases that no test declares any more are dropped."""
        results = {**read_results(path), **self.results}
        if self.is_whole:
            results = {case: result for case, result in results.items() if case in self.declared}
        write_results(path, results)


def _reason(report: Any) -> str:
    return str(report.longrepr[2]).removeprefix("Skipped: ") if report.skipped else ""


def _order(case: Case) -> tuple[int, str, str]:
    return list(SERVERS).index(case.server), case.configuration, case.restart


def read_results(path: str = RESULTS) -> dict[Case, Result]:
    """Return the results in a file; none when there is no file."""
    try:
        with open(path, encoding="utf-8") as file:
            rows = json.load(file)["cases"]
    except FileNotFoundError:
        return {}
    return {
        Case(row["server"], row["configuration"], row["restart"]): Result(row["outcome"], row.get("reason", ""))
        for row in rows
    }


def write_results(path: str, results: dict[Case, Result]) -> None:
    """Write results, sorted, with the versions of the servers."""
    rows = []
    for case in sorted(results, key=_order):
        row = {**case._asdict(), **results[case]._asdict()}
        rows.append({key: value for key, value in row.items() if value})
    versions = {}
    for server in sorted({case.server for case in results}, key=list(SERVERS).index):
        try:
            versions[server] = SERVERS[server]()
        except importlib.metadata.PackageNotFoundError:
            versions[server] = "not installed"
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"python": platform.python_version(), "versions": versions, "cases": rows}, file, indent=1)
        file.write("\n")


def table(path: str = RESULTS) -> str:
    """Return the results as a table in Markdown."""
    results = read_results(path)
    with open(path, encoding="utf-8") as file:
        head = json.load(file)
    rows: dict[tuple[str, str], list[str]] = {}
    for case, result in sorted(results.items(), key=lambda entry: _order(entry[0])):
        word = {"passed": case.restart, "failed": f"**fails: {case.restart}**"}.get(
            result.outcome, f"_not run: {case.restart} ({result.reason})_"
        )
        rows.setdefault((case.server, case.configuration), []).append(word)
    lines = [f"With Python {head['python']}:", "", "| server | set up as | exact after |", "|---|---|---|"]
    previous = ""
    for (server, configuration), words in rows.items():
        name = re.sub(r" \d+(\.\d+)+$", "", server)
        shown = "" if server == previous else f"**{name}** {head['versions'][server]}"
        lines.append(f"| {shown} | {configuration} | {', '.join(words)} |")
        previous = server
    return "\n".join(lines) + "\n"


def with_table(document: str, new: str) -> str:
    """Return the document with its table replaced."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{new}\n{END}{after}"


def main() -> int:
    """Write the table of the last run into docs/servers.md."""
    with open(DOCUMENT, encoding="utf-8") as file:
        document = file.read()
    with open(DOCUMENT, "w", encoding="utf-8") as file:
        file.write(with_table(document, table()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
