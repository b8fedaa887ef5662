# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm discover` beside real servers and workers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).parents[2]
BIN = os.path.dirname(sys.executable)
Discover = Callable[..., dict[str, Any]]


def get(port: int) -> None:
    """Send one request."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
        assert answer.read() == b"hello"


def test_a_monitored_gunicorn(gunicorn_app: Any, site: Path, discover: Discover, wait_until: Any) -> None:
    """Its master and workers are one service, with the directory they count in and nothing to do."""
    running, port = gunicorn_app("watched_app:application", "--workers", "2", cwd=site)
    get(port)
    wait_until(lambda: discover(running.pid)["monitored"] == 2, "both workers have started")

    service = discover(running.pid)

    assert (service["kind"], service["app"], service["state"]) == ("gunicorn", "watched_app:application", "monitored")
    assert (len(service["workers"]), service["monitored"], service["lines"]) == (2, 2, [])
    assert service["directories"] == [str(site / "shared")]


def test_a_gunicorn_that_is_not_monitored(gunicorn_app: Any, site: Path, discover: Discover) -> None:
    """It is told the lines, with its own app in them."""
    running, port = gunicorn_app("plain_app:application", cwd=site, hooks=False)
    get(port)

    service = discover(running.pid)

    assert service["state"] == "not monitored"
    assert service["lines"][1] == "gunicorn -c python:wsgiapm.gunicorn_hooks plain_app:application"
    assert "APMMiddleware(application)" in service["lines"][0]


def test_one_that_counts_on_its_own(gunicorn_app: Any, site: Path, discover: Discover, wait_until: Any) -> None:
    """The reason stands there, and the command that says more."""
    (site / "shared").mkdir(mode=0o777)
    (site / "shared").chmod(0o777)
    running, _ = gunicorn_app("watched_app:application", cwd=site)

    def look() -> dict[str, Any] | None:
        service = discover(running.pid)
        return service if service["state"] == "alone" else None

    service = wait_until(look, "the worker has started", 60)

    assert "0777" in service["note"]
    assert service["lines"] == ["wsgiapm doctor"]


def test_waitress(process: Any, site: Path, discover: Discover, free_port: Callable[[], int]) -> None:
    """By its command, monitored from the first request on."""
    port = free_port()
    argv = [os.path.join(BIN, "waitress-serve"), f"--listen=127.0.0.1:{port}", "watched_app:application"]
    running = process(argv, cwd=site, env={"WSGIAPM_SHARED_DIR": str(site / "shared"), "WSGIAPM_ENDPOINT": ""})
    running.wait_for_port(port)
    before = discover(running.pid)
    get(port)
    after = discover(running.pid)

    assert (before["kind"], before["app"], before["state"]) == ("waitress", "watched_app:application", "not monitored")
    assert "APMMiddleware(application)" in before["lines"][0]
    assert (after["state"], after["directories"], after["lines"]) == ("monitored", [str(site / "shared")], [])


def test_runserver(process: Any, site: Path, discover: Discover, free_port: Callable[[], int]) -> None:
    """With its reloader: the child is the worker."""
    (site / "site_settings.py").write_text(
        "SECRET_KEY = 'x'\nDEBUG = True\nWSGI_APPLICATION = 'plain_app.application'\nROOT_URLCONF = 'urls'\n"
    )
    (site / "urls.py").write_text("urlpatterns = []\n")
    port = free_port()
    argv = [sys.executable, "-u", "-W", "ignore", "-m", "django", "runserver", f"127.0.0.1:{port}"]
    running = process([*argv, "--settings", "site_settings"], cwd=site)
    running.wait_for_port(port)
    get(port)
    service = discover(running.pid)

    assert (service["kind"], service["state"], len(service["workers"])) == ("runserver", "not monitored", 1)


@pytest.mark.long
def test_mod_wsgi(process: Any, site: Path, discover: Discover, free_port: Callable[[], int], wait_until: Any) -> None:
    """Of Apache's processes those count that run the app; the one at the top is root's, they are not."""
    express = ROOT / ".venv-mod_wsgi" / "bin" / "mod_wsgi-express"
    if not express.exists() or os.geteuid() != 0:
        pytest.skip(f"there is no {express} (run `make test-servers`), or we are not root")
    own = site / "own"
    own.mkdir()
    os.chown(own, 65534, 65534)
    for path in (site, *site.parents[:2]):
        path.chmod(0o755)
    port = free_port()
    argv = [
        str(express),
        "start-server",
        "watched_app.py",
        "--port",
        str(port),
        "--user",
        "nobody",
        "--group",
        "nogroup",
    ]
    argv += ["--server-root", str(site / "root"), "--python-path", str(ROOT), "--processes", "1"]
    running = process(argv, env={"WSGIAPM_SHARED_DIR": str(own / "shared"), "WSGIAPM_ENDPOINT": ""}, cwd=site)
    running.wait_for_port(port)
    get(port)

    (service,) = [one for one in discover()["services"] if str(own / "shared") in one["directories"]]

    assert (service["kind"], service["state"], len(service["workers"])) == ("mod_wsgi", "monitored", 1)


@pytest.mark.long
def test_workers_of_celery(process: Any, site: Path, discover: Discover) -> None:
    """A real one with two processes: they are started by a command of ours; beat is no worker, and not listed."""
    (site / "tasks.py").write_text("from celery import Celery\napp = Celery('tasks', broker='memory://')\n")
    celery = [os.path.join(BIN, "celery"), "-A", "tasks"]
    running = process([*celery, "worker", "--concurrency", "2", "--loglevel", "info"], cwd=site)
    beat = process([*celery, "beat", "--schedule", str(site / "schedule")], cwd=site)
    running.wait_for_output("celery@.* ready", 60)
    beat.wait_for_output("celery beat .* is starting", 60)

    found = {service["pid"]: service for service in discover()["services"]}

    service = found[running.pid]
    assert (service["kind"], service["app"], service["state"]) == ("celery", "tasks", "not monitored")
    assert service["lines"] == ["wsgiapm run-program celery -A tasks worker"]
    assert len(service["workers"]) == 2
    assert beat.pid not in found
    running.stop(signal.SIGQUIT)  # which it does not answer by waiting for jobs


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="there is no Redis (package redis-server)")
def test_workers_of_rq(process: Any, site: Path, discover: Discover, free_port: Callable[[], int]) -> None:
    """A real one; the address of its Redis, which may have a password in it, is not shown."""
    port = free_port()
    redis = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--requirepass", "hunter2"]
    process(redis).wait_for_port(port)
    url = f"redis://:hunter2@127.0.0.1:{port}/0"
    running = process([os.path.join(BIN, "rq"), "worker", "--url", url, "high"], cwd=site)
    running.wait_for_output("Listening on high", 60)

    service = discover(running.pid)

    assert (service["kind"], service["state"]) == ("rq", "not monitored")
    assert service["lines"] == ["wsgiapm run-program rq worker"]
    assert "hunter2" not in json.dumps(discover())


def test_no_secret_of_a_command_line_is_shown(process: Any, site: Path, discover: Discover) -> None:
    """Passwords in arguments, in the app's own arguments and in the environment stay where they are."""
    (site / "gunicorn").write_text("import time\ntime.sleep(100)\n", encoding="utf-8")
    argv = [sys.executable, "gunicorn", "--env", "TOKEN=hunter2", "shop:make('hunter2')"]
    running = process(argv, cwd=site, env={"SECRET_KEY": "hunter2"})

    assert discover(running.pid)["app"] == "shop:make()"
    assert "hunter2" not in json.dumps(discover())


def test_what_nginx_passes_on_to(
    gunicorn_app: Any, site: Path, process: Any, discover: Discover, free_port: Callable[[], int]
) -> None:
    """Each upstream is joined with the processes that listen there; without X-Request-Start the line is given."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("there is no nginx (package nginx-light)")
    running, upstream = gunicorn_app("watched_app:application", cwd=site)
    port, dead = free_port(), free_port()
    (site / "sites").mkdir()
    (site / "sites" / "shop.conf").write_text(
        f"upstream shop {{ server localhost:{upstream} weight=2; server 127.0.0.1:{dead}; }} # server 1.2.3.4;\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://shop/x; }} }}\n",
        encoding="utf-8",
    )
    (site / "nginx.conf").write_text(
        f"daemon off; pid {site}/nginx.pid; events {{}} http {{ access_log off; include sites/*.conf; }}",
        encoding="utf-8",
    )
    nginx = process([program, "-p", f"{site}/", "-c", "nginx.conf", "-e", f"{site}/error.log"])
    nginx.wait_for_port(port)

    proxies = {proxy["address"]: proxy for proxy in discover()["proxies"]}

    serving, silent = proxies[f"127.0.0.1:{upstream}"], proxies[f"127.0.0.1:{dead}"]
    assert (serving["upstream"], serving["queue_time"]) == ("shop", False)
    assert "X-Request-Start" in serving["line"]
    service = discover(running.pid)
    assert set(serving["pids"]) & {service["pid"], *service["workers"]}
    assert silent["pids"] == []


def test_another_users_processes_without_root(process: Any, site: Path) -> None:
    """They are listed, and it is said that they cannot be looked into, and by whom."""
    if os.geteuid() != 0:
        pytest.skip("only root can be two users")
    python = "/usr/bin/python3"
    packages = os.path.dirname(os.path.dirname(psutil.__file__))
    ask = [python, "-c", "import psutil, sys; assert sys.version_info >= (3, 10)"]
    usable = subprocess.run(ask, env={"PYTHONPATH": packages}, capture_output=True, text=True, timeout=60, check=False)
    if usable.returncode:
        pytest.skip(f"{python} cannot use {packages}: {usable.stderr.strip()}")
    (site / "gunicorn").write_text("import time\ntime.sleep(100)\n", encoding="utf-8")
    running = process([sys.executable, "gunicorn", "shop:application"], cwd=site)
    look = "import os\nos.setgroups([]); os.setgid(1234); os.setuid(1234)\nfrom wsgiapm.cli import main\nmain(['discover'])"
    environment = {"PYTHONPATH": f"{ROOT}:{packages}", "HOME": "/"}

    done = subprocess.run(
        [python, "-c", look], env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    line = next(line for line in done.stdout.splitlines() if f"(pid {running.pid}, user root)" in line)
    assert line.startswith("UNKNOWN")
    assert "sudo -u root wsgiapm discover" in done.stdout
    assert "not run by root" in done.stdout


def test_for_people(discover: Discover, process: Any, site: Path) -> None:
    """Without --json the same is told in lines; the command ends with 0 whatever it finds."""
    done = subprocess.run(
        [sys.executable, "-m", "wsgiapm", "discover"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(site)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
