# SPDX-License-Identifier: Apache-2.0
"""The configurations in deploy/ are accepted by the programs they are for, and do what their comments say."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys

import pytest
from supervisor.options import ServerOptions

from wsgiapm import gunicorn_hooks

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DEPLOY = os.path.join(ROOT, "deploy")
GUNICORN = os.path.join(DEPLOY, "gunicorn.conf.py")


@pytest.fixture
def programs(tmp_path):
    """The entries of deploy/supervisor by name, as supervisor reads them; only the directory of the logs is another."""
    parts = ["[supervisord]\nnodaemon=true\n"]
    for name in sorted(os.listdir(os.path.join(DEPLOY, "supervisor"))):
        with open(os.path.join(DEPLOY, "supervisor", name), encoding="utf-8") as file:
            parts.append(file.read().replace("/var/log/supervisor", str(tmp_path)).replace("user=www-data\n", ""))
    configuration = tmp_path / "supervisord.conf"
    configuration.write_text("\n".join(parts))
    options = ServerOptions()
    options.realize(["--configuration", str(configuration)])
    return {group.name: group.process_configs for group in options.process_group_configs}


def test_gunicorn_accepts_the_configuration(tmp_path):
    """It loads with the app, hooks included."""
    command = [sys.executable, "-m", "gunicorn", "--check-config", "--config", GUNICORN, "shop.wsgi"]
    environment = {
        **os.environ,
        "PYTHONPATH": ROOT,
        "SHOP_DATABASE": str(tmp_path / "shop.db"),
        "WSGIAPM_ENABLED": "false",
    }

    done = subprocess.run(
        command,
        cwd=os.path.join(ROOT, "examples", "shop"),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_configuration_has_every_hook():
    """A hook that is not imported by name is one that gunicorn does not call."""
    configuration = runpy.run_path(GUNICORN)
    hooks = {name for name, value in vars(gunicorn_hooks).items() if not name.startswith("_") and callable(value)}

    assert hooks
    assert {name for name in hooks if configuration.get(name) is getattr(gunicorn_hooks, name)} == hooks


def test_supervisor_stops_the_whole_app(programs):
    """The group of gunicorn's workers gets the signal too, and longer to finish than gunicorn itself waits."""
    (app,) = programs["app"]

    assert (app.stopasgroup, app.killasgroup) == (True, True)
    assert app.stopwaitsecs > runpy.run_path(GUNICORN)["graceful_timeout"]


def test_the_report_starts_before_the_app(programs):
    """What the app uploads first is stored at once."""
    (app,), (report,) = programs["app"], programs["wsgiapm"]

    assert report.priority < app.priority
    assert report.environment["XDG_STATE_HOME"] == app.environment["XDG_STATE_HOME"]


def test_the_pool_of_workers_is_four_processes(programs):
    """Each has a name of its own, and shares the counters of the web app."""
    assert [worker.name for worker in programs["rq"]] == ["rq-00", "rq-01", "rq-02", "rq-03"]
    assert {tuple(worker.environment.items()) for worker in programs["rq"]} == {
        tuple(programs["app"][0].environment.items())
    }
