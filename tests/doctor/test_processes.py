# SPDX-License-Identifier: Apache-2.0
"""What running processes bring about: real ones, with the doctor run beside them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

Diagnose = Callable[..., tuple[int, dict[str, dict[str, str]]]]

APP = """
from wsgiapm import APMMiddleware

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]

application = APMMiddleware(app)
"""

START = """
import sys, time
from wsgiapm.agent import start
start()
{then}
print("started", flush=True)
time.sleep(100)
"""


@pytest.fixture
def start(process: Callable[..., Any], environment: dict[str, str]) -> Callable[..., Any]:
    """`start(then="", setting="value")` has a process start the agent, do something more, and wait."""

    def run(then: str = "", before: str = "", **settings: str) -> Any:
        given = {f"WSGIAPM_{name.upper()}": value for name, value in settings.items()}
        running = process([sys.executable, "-c", before + START.format(then=then)], env=environment | given)
        running.wait_for_output("^started")
        return running

    return run


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory with an app, as `site:application`."""
    (tmp_path / "site_app.py").write_text(APP, encoding="utf-8")
    return tmp_path


def get(port: int) -> None:
    """Send one request."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/a", timeout=30) as answer:
        assert answer.read() == b"hello"


@pytest.mark.parametrize("hooks", [False, True], ids=["without", "with"])
def test_gunicorn_without_hooks(hooks: bool, gunicorn_app: Callable[..., Any], site: Path, diagnose: Diagnose) -> None:
    """Workers whose agent was started by a request and by no hook are found, and told how to have them."""
    _, port = gunicorn_app("site_app:application", cwd=site, hooks=hooks)
    get(port)

    status, findings = diagnose()

    assert ("no-hooks" in findings) is not hooks
    assert status == (0 if hooks else 1)
    if not hooks:
        assert "python:wsgiapm.gunicorn_hooks" in findings["no-hooks"]["remedy"]


def test_a_worker_that_speaks_asgi(
    gunicorn_app: Callable[..., Any], site: Path, diagnose: Diagnose, wait_until: Any
) -> None:
    """Requests of an ASGI app are not recorded: that is said before the first one."""
    gunicorn_app("site_app:application", "--worker-class", "asgi", cwd=site)

    findings = wait_until(lambda: (found := diagnose()[1]) and "asgi-worker" in found and found, "it is found", 60)

    assert "no-hooks" not in findings


def test_threads_off_while_another_harvests(
    start: Callable[..., Any],
    process: Callable[..., Any],
    environment: dict[str, str],
    diagnose: Diagnose,
    wait_until: Any,
) -> None:
    """A process that may have no thread is found, and no longer once `wsgiapm harvest` runs beside it."""
    start(before="from wsgiapm import native\nnative.forbid_threads('as under uwsgi')\n")

    finding = diagnose()[1]["threads-off"]

    assert "enable-threads" in finding["remedy"]
    argv = [sys.executable, "-m", "wsgiapm", "harvest"]
    process(argv, env=environment | {"WSGIAPM_ENDPOINT": "http://127.0.0.1:9", "WSGIAPM_HARVEST_INTERVAL": "1s"})
    wait_until(lambda: "threads-off" not in diagnose()[1], "somebody harvests", 60)


@pytest.mark.parametrize(
    "threads", [pytest.param(False, marks=pytest.mark.long, id="off"), pytest.param(True, id="on")]
)
def test_uwsgi_and_its_threads(
    threads: bool,
    process: Callable[..., Any],
    site: Path,
    environment: dict[str, str],
    diagnose: Diagnose,
    free_port: Callable[[], int],
) -> None:
    """Real ones: of the last version whose threads can be off, and of the current one."""
    scripts = sysconfig.get_path("scripts") if threads else os.path.join(ROOT, ".venv-uwsgi-2.0.26", "bin")
    uwsgi = os.path.join(scripts, "uwsgi")
    if not os.path.exists(uwsgi):
        pytest.skip(f"there is no {uwsgi}: run `make test-servers`")
    port = free_port()
    argv = [
        uwsgi,
        "--http-socket",
        f"127.0.0.1:{port}",
        "--master",
        "--die-on-term",
        "--module",
        "site_app:application",
    ]
    argv += ["--virtualenv", sys.prefix, "--need-app", *(["--enable-threads"] if threads else [])]
    running = process(argv, env=environment, cwd=site)
    running.wait_for_port(port)
    get(port)

    status, findings = diagnose()

    assert "1 processes count" in findings["workers"]["message"]
    assert (status, "threads-off" in findings) == ((0, False) if threads else (1, True))


def test_gevent_patches_after_the_agent_has_started(
    start: Callable[..., Any], diagnose: Diagnose, wait_until: Any
) -> None:
    """The worker says so itself at its next harvest."""
    start("import gevent.monkey; gevent.monkey.patch_all()", harvest_interval="1s")

    finding = wait_until(lambda: diagnose()[1].get("gevent-order"), "gevent-order is found", 60)

    assert "after the agent had started" in finding["message"]
    assert "patch_all" in finding["remedy"]


def test_urllib3_before_gevent_breaks_https(start: Callable[..., Any], diagnose: Diagnose) -> None:
    """A process that imported urllib3 before gevent patched ssl is found at once: its https ends in a RecursionError."""
    start(
        before="import warnings, urllib3, gevent.monkey\nwarnings.simplefilter('ignore')\ngevent.monkey.patch_all()\n"
    )

    assert "urllib3" in diagnose()[1]["gevent-order"]["message"]


def test_gevent_first_is_well(start: Callable[..., Any], diagnose: Diagnose) -> None:
    """The right order is no finding."""
    start(before="import gevent.monkey\ngevent.monkey.patch_all()\nimport urllib3\n")

    assert diagnose()[0] == 0


def test_a_second_app_on_the_same_directory(start: Callable[..., Any], diagnose: Diagnose) -> None:
    """The process that came second is found by its id, seen with the settings of the first, and gone when it ends."""
    start(app_name="first")
    second = start(app_name="second")

    status, findings = diagnose(app_name="first")

    assert status == 1
    assert str(second.pid) in findings["counts-alone"]["message"]
    assert "'first'" in findings["counts-alone"]["message"]
    second.stop()
    assert "counts-alone" not in diagnose(app_name="first")[1]


def test_a_child_of_a_process_that_counts_alone_is_not_taken_for_one(
    start: Callable[..., Any], diagnose: Diagnose
) -> None:
    """A fork inherits the announcement, but its own id is not in it."""
    start(app_name="first")
    second = start("import os\nif os.fork() == 0: time.sleep(100)", app_name="second")

    assert diagnose(app_name="first")[1]["counts-alone"]["message"].startswith(f"process {second.pid} ")


def test_a_directory_removed_under_a_process(start: Callable[..., Any], diagnose: Diagnose, shared: Path) -> None:
    """Whoever counts in files that are gone is named."""
    running = start(harvest_mode="external")
    shutil.rmtree(shared)

    assert str(running.pid) in diagnose()[1]["directory-removed"]["message"]


def test_bad_settings_of_a_worker(start: Callable[..., Any], diagnose: Diagnose) -> None:
    """The worker's environment is not ours; it says itself that something is wrong with its settings."""
    running = start(apdex_t="soon")

    findings = diagnose()[1]

    assert str(running.pid) in findings["worker-settings"]["message"]
    assert "bad-setting" not in findings


def test_an_error_of_the_agent_itself(start: Callable[..., Any], diagnose: Diagnose) -> None:
    """What a gate has caught is counted under its name, and stays counted when the process has ended."""
    calls = "from wsgiapm import APMMiddleware\napp = APMMiddleware(lambda *_: [])\n" + "app({}, print)\n" * 3
    running = start(calls)
    running.stop()

    assert diagnose()[1]["internal-errors"]["message"].startswith("3 errors")
    assert "middleware" in diagnose()[1]["internal-errors"]["message"]


def test_counters_of_another_directory_are_named(start: Callable[..., Any], diagnose: Diagnose, shared: Path) -> None:
    """Who asks with other settings than the app's is told where processes do count."""
    start()

    finding = diagnose(shared_dir=str(shared.with_name("wrong")))[1]["no-directory"]

    assert str(shared) in finding["remedy"]


def test_nobody_harvests_from_outside(start: Callable[..., Any], diagnose: Diagnose, wait_until: Any) -> None:
    """With harvest_mode external and no `wsgiapm harvest` the remedy is to run it."""
    start(harvest_mode="external")

    def look() -> dict[str, str] | None:
        return diagnose(harvest_mode="external", harvest_interval="1s")[1].get("no-harvest")

    assert "wsgiapm harvest" in wait_until(look, "no-harvest is found", 60)["remedy"]


def test_a_worker_that_no_longer_harvests(start: Callable[..., Any], diagnose: Diagnose, wait_until: Any) -> None:
    """One that has harvested and stands still is found by the doctor; with another one that goes on nothing is lost but that."""
    start(harvest_interval="1s")
    still = start(harvest_interval="1s")
    assert "no-harvest" not in diagnose(harvest_interval="1s")[1]
    still.popen.send_signal(signal.SIGSTOP)
    try:
        finding = wait_until(lambda: diagnose(harvest_interval="1s")[1].get("no-harvest"), "no-harvest is found", 60)
    finally:
        still.popen.send_signal(signal.SIGCONT)

    assert "1 of 2 workers no longer harvest" in finding["message"]


def test_another_users_app_as_root(diagnose: Diagnose, shared: Path, environment: dict[str, str]) -> None:
    """Root sees the app of any user; another user is told that the directory is not theirs."""
    if os.geteuid() != 0:
        pytest.skip("only root can be two users")
    record = "from wsgiapm.aggregate.instance import join\nfrom wsgiapm.aggregate.index_file import Identity\n"
    record += f"i = join({str(shared)!r}, Identity('python-app'))\ni.begin(500_000_000)"
    subprocess.run([sys.executable, "-c", record], check=True, env=environment, timeout=60)
    for path in (shared.parent, shared, *shared.iterdir()):
        os.chown(path, 65534, -1)
    for path in shared.parents:
        if path.stat().st_mode & 0o005 != 0o005:  # pytest makes its directories for us alone
            path.chmod(0o755)
    assert diagnose()[0] == 0
    python = "/usr/bin/python3"
    look = "import os, sys\nos.setgroups([]); os.setgid(1234); os.setuid(1234)\nfrom wsgiapm.cli import main\nmain(['doctor'])"
    done = subprocess.run(
        [python, "-c", look], env=environment, timeout=60, capture_output=True, text=True, check=False
    )
    if "SyntaxError" in done.stderr or "ModuleNotFoundError" in done.stderr:
        pytest.skip(f"{python} cannot run wsgiapm: {done.stderr.splitlines()[-1]}")

    assert "belongs to uid 65534" in done.stdout
    assert "run all processes of an app as one user" in done.stdout  # directory-not-ours
