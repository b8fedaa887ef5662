# SPDX-License-Identifier: Apache-2.0
"""From a statement sent to a real database under gunicorn to its row in the report, exactly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from wsgiapm.sqlshape import shape

ROOT = Path(__file__).resolve().parents[2]
SHOP, HERE = ROOT / "examples" / "shop", Path(__file__).resolve().parent
REQUESTS = 500
GEVENT = ("--workers", "3", "--worker-class", "gevent", "--max-requests", "120")
RUN_PROGRAM = (sys.executable, "-m", "wsgiapm", "run-program", sys.executable, "-m", "gunicorn")
# What Django sends by itself to each new connection, before anybody can measure it.
OF_DJANGO = {"SET", "SELECT"}
# How long the system may stop a worker between our measure and the test's, once in all calls of one statement.
HICCUP = 0.1


class Statement(NamedTuple):
    """What a statement does, and where to."""

    text: str
    operation: str
    table: str | None


class Books:
    """Calls and seconds by statement."""

    def __init__(self) -> None:
        self.calls: Counter[Statement] = Counter()
        self.seconds: Counter[Statement] = Counter()

    def add(self, statement: Statement, calls: int, seconds: float) -> None:
        """Add calls of a statement."""
        self.calls[statement] += calls
        self.seconds[statement] += seconds  # type: ignore[assignment]


class Shown:
    """What the server shows of an app."""

    def __init__(self, server: Any, app: str) -> None:
        self._server = server
        self._app = app

    def get(self, what: str) -> Any:
        """Ask the server; None as long as it does not know the app."""
        if not any(app["name"] == self._app for app in self._server.get("/api/v1/apps")["apps"]):
            return None
        now = int(time.time())
        return self._server.get(f"/api/v1/{what}", app=self._app, **{"from": now - 3600, "to": now + 60})

    def statements(self) -> Books:
        """Return what was executed."""
        books = Books()
        for row in (self.get("sql") or {"statements": []})["statements"]:
            books.add(Statement(row["sql"], row["operation"], row["collection"]), row["calls"], row["seconds"])
        return books

    def operations(self) -> dict[str, int]:
        """Return the calls of each operation."""
        found: Counter[str] = Counter()
        for row in (self.get("databases") or {"operations": []})["operations"]:
            found[row["operation"]] += row["calls"]
        return found


@pytest.fixture
def database(system: str, request: pytest.FixtureRequest) -> str:
    """The address of a database; PyMySQL and MariaDB's server are `mysql` by the names of the conventions."""
    found = request.getfixturevalue({"mysql": "mariadb"}.get(system, system))
    return f"{system}://{found.user}:{found.password}@{found.host}:{found.port}/{found.name}"


@pytest.fixture
def environment(server: Any, tmp_path: Path) -> dict[str, str]:
    """What every app here is told."""
    return {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(SHOP), str(HERE)]),
        "STATEMENTS_MEASURED": str(tmp_path / "measured"),
        "WSGIAPM_ENDPOINT": server.address,
        "WSGIAPM_HARVEST_INTERVAL": "1s",
    }


@pytest.fixture
def shop(
    environment: dict[str, str],
    database: str,
    process: Callable[..., Any],
    free_port: Callable[[], int],
    tmp_path: Path,
) -> dict[str, str]:
    """What the shop is told; its shelves are stocked, and the service it asks is there."""
    upstream = free_port()
    process([sys.executable, str(ROOT / "examples" / "upstream.py"), "--port", str(upstream)])
    told = {
        **environment,
        "DJANGO_SETTINGS_MODULE": "measured_shop",
        "SHOP_DATABASE": database,
        "SHOP_MANUAL": str(tmp_path / "manual.pdf"),
        "SHOP_UPSTREAM": f"http://127.0.0.1:{upstream}",
        "WSGIAPM_APP_NAME": "shop",
    }
    command = [sys.executable, "manage.py", "setup_shop"]
    plain = {**os.environ, **told, "DJANGO_SETTINGS_MODULE": "shop.settings"}
    subprocess.run(command, cwd=SHOP, env=plain, check=True, capture_output=True, timeout=120)
    return told


def measured(environment: dict[str, str], system: str) -> Books:
    """What the tests' own meter in the app has written down."""
    books = Books()
    with open(environment["STATEMENTS_MEASURED"], encoding="utf-8") as file:
        for line in file:
            sql, seconds = json.loads(line)
            found = shape(sql, system)
            books.add(Statement(found.text, found.operation, found.table or None), 1, seconds)
    return books


def send_mix(port: int, books: Path) -> dict[str, int]:
    """Send the shop's usual mix; return how many requests of each kind."""
    command = [sys.executable, str(ROOT / "examples" / "traffic.py"), "--url", f"http://127.0.0.1:{port}"]
    command += ["--requests", str(REQUESTS), "--concurrency", "6", "--seed", "7", "--json", str(books)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    kinds: dict[str, int] = json.loads(books.read_text())["kinds"]
    return kinds


def compare(sent: Books, shown: Books) -> None:
    """The number of calls is the same, and the time within a twentieth, as long as the system let the app measure."""
    assert {statement: shown.calls[statement] for statement in sent.calls} == dict(sent.calls)
    for statement, seconds in sent.seconds.items():
        assert shown.seconds[statement] == pytest.approx(seconds, rel=0.05, abs=HICCUP), statement
    assert sum(shown.seconds[statement] for statement in sent.calls) == pytest.approx(
        sum(sent.seconds.values()), rel=0.05, abs=HICCUP
    )


@pytest.mark.parametrize(
    ("system", "how"),
    [
        ("mysql", "middleware"),
        pytest.param("postgresql", "middleware", marks=pytest.mark.long),
        pytest.param("mysql", "run-program", marks=pytest.mark.long),
        ("postgresql", "run-program"),
    ],
)
def test_every_statement_of_the_shop_arrives(
    system: str,
    how: str,
    shop: dict[str, str],
    server: Any,
    gunicorn_app: Callable[..., Any],
    wait_until: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """Operation, table and count are what Django sent, by the tests' own measure, and so is the time, within a twentieth."""
    if how == "middleware":
        _, port = gunicorn_app("shop.wsgi", *GEVENT, cwd=SHOP, env=shop)
    else:
        _, port = gunicorn_app("unchanged_django", *GEVENT, cwd=SHOP, env=shop, hooks=False, program=RUN_PROGRAM)

    kinds = send_mix(port, tmp_path / "books.json")

    sent, shown = measured(shop, system), Shown(server, "shop")
    wait_until(lambda: sent.calls <= shown.statements().calls, "the server has it all", 60)
    compare(sent, shown.statements())
    others = shown.statements().calls.keys() - sent.calls.keys()
    assert {statement.operation for statement in others} <= OF_DJANGO
    assert all(statement.table is None for statement in others)
    assert shown.operations()["COMMIT"] == kinds["checkout"]


@pytest.mark.parametrize(
    ("framework", "system"),
    [("flask", "mysql"), ("bottle", "postgresql")],
)
def test_every_statement_of_an_unchanged_app_arrives(
    framework: str,
    system: str,
    database: str,
    environment: dict[str, str],
    server: Any,
    gunicorn_app: Callable[..., Any],
    wait_until: Callable[..., Any],
) -> None:
    """With run-program in front of gunicorn nothing in the app is changed: statements, routes that call them, N+1, errors."""
    environment |= {"WALKS_DATABASE": database, "WSGIAPM_APP_NAME": framework}
    make_table = [sys.executable, "-c", "import walks; walks.make_table()"]
    subprocess.run(make_table, env={**os.environ, **environment}, check=True, timeout=60)
    app = f"unchanged_{framework}:application"
    _, port = gunicorn_app(app, *GEVENT, env=environment, hooks=False, program=RUN_PROGRAM)

    for number in range(60):
        for path in (f"walks/{number}", "walks/add/north", "fail"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=30) as answer:
                answer.read()

    sent, shown = measured(environment, system), Shown(server, framework)
    wait_until(lambda: sent.calls <= shown.statements().calls, "the server has it all", 60)
    compare(sent, shown.statements())
    assert sent.calls.total() == 60 * 8
    rows = {
        row["operation"] + " " + row["collection"]: row for row in shown.get("sql")["statements"] if row["collection"]
    }
    assert rows["INSERT walks"]["n_plus_one"]
    assert not rows["SELECT walks"]["n_plus_one"]
    [called_by] = rows["INSERT walks"]["transactions"]
    assert called_by["name"] == "/walks/add/<name>"
    failed = [row for row in shown.get("databases")["operations"] if row["collection"] == "no_such_walks"]
    assert [(row["calls"], row["errors"]) for row in failed] == [(60, 60)]
