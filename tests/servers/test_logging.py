# SPDX-License-Identifier: Apache-2.0
"""An app's own logging is the same with and without us, under every server, and ours is not silenced by it."""

from __future__ import annotations

import os
import re
import sys

import pytest

from tests.servers.apache import command, make_shared
from tests.servers.conftest import APPS, OLD_UWSGI, UWSGI, Client

ADDRESS = "127.0.0.1:{port}"
GUNICORN = [sys.executable, "-m", "gunicorn", "--bind", ADDRESS, "--no-control-socket", "logging_app:application"]
OPTIONS = [f"--http-socket={ADDRESS}", "--need-app", "--die-on-term", "--master", "--module=logging_app"]
SERVERS = {
    "gunicorn": [*GUNICORN, "--config", "python:wsgiapm.gunicorn_hooks"],
    "gunicorn-gevent": [*GUNICORN, "--worker-class", "gevent"],
    "waitress": [sys.executable, "-m", "waitress", f"--listen={ADDRESS}", "logging_app:application"],
    "cheroot": [sys.executable, "-m", "cheroot", f"--bind={ADDRESS}", "logging_app:application"],
    "wsgiref": [sys.executable, "serving.py", "wsgiref", "{port}"],
    "tornado": [sys.executable, "serving.py", "tornado", "{port}"],
    "werkzeug": [sys.executable, "serving.py", "werkzeug_threads", "{port}"],
    "runserver": [
        *(sys.executable, "-m", "django", "runserver", "--noreload", ADDRESS, "--settings", "site_settings"),
    ],
    "uwsgi": [UWSGI, *OPTIONS],
    "uwsgi-without-threads": [OLD_UWSGI, *OPTIONS],
    "mod_wsgi": [],
}
# One kind in every run, the others in the long one.
each_server = pytest.mark.parametrize(
    "server", [pytest.param(name, marks=() if name == "runserver" else pytest.mark.long) for name in SERVERS]
)


@pytest.fixture
def ask(process, free_port, tmp_path, public_path):
    """`ask(server, **env)` asks five times; returns the app's log lines, its loggers, and the whole output."""

    def run(server, **env):
        port = free_port()
        argv, shared = [part.format(port=port) for part in SERVERS[server]], str(tmp_path / "shared")
        if not argv:
            argv, shared = command(port, public_path, "logging_app"), make_shared(public_path)
        elif not os.path.exists(argv[0]):
            pytest.skip(f"there is no {argv[0]}: run `make test-servers`")
        settings = {"WSGIAPM_SHARED_DIR": shared, "WSGIAPM_ENDPOINT": "", "APP": "logging_app"}
        running = process(argv, env={**settings, "PYTHONUTF8": "1", **env}, cwd=APPS)
        running.wait_for_port(port)
        loggers = {Client(port).get(f"/log?{number}")[1] for number in range(5)}
        running.stop(timeout=40)
        written = running.output().splitlines()
        lines = map(as_written, written) if server == "mod_wsgi" else written
        lines = [re.sub(r"\[.*?\]", "[time]", line) for line in lines if line.startswith("APP|")]
        return lines, loggers, running.output()

    return run


def as_written(line):
    """A line of the app's: Apache puts words of its own in front of it, and escapes what is no ASCII."""
    text = re.sub(r"^(?:\[[^]]*\] )+(?=APP)", "", line)
    return re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), text.encode()).decode()


@each_server
def test_an_apps_log_is_its_own_and_ours_is_heard(server, ask):
    """Loggers, formats and text that is no ASCII are untouched; a bad setting of ours is told all the same."""
    without, loggers_without, output = ask(server, WSGIAPM_ENABLED="false")
    assert "] wsgiapm: " not in output
    lines, loggers, output = ask(server, WSGIAPM_APDEX_T="Grüße")

    assert [line for line in lines if "|shop|" in line] == ["APP|INFO|shop|Grüße, 漢字: /log"] * 5
    assert [line for line in lines if "|elsewhere|" in line] == ["APP|WARNING|elsewhere|Füße"] * 5
    assert lines == without
    assert loggers == loggers_without
    assert not any(b"wsgiapm" in name for name in loggers)
    ours = [line for line in output.splitlines() if "] wsgiapm: " in line and "apdex_t" in line]
    assert len(ours) == 1
    assert "[ERROR]" in ours[0]


@pytest.mark.long
def test_a_log_file_of_ours_holds_only_ours(ask, tmp_path):
    """With `log_file` nothing of ours is on stderr."""
    path = tmp_path / "agent.log"
    _, _, output = ask("gunicorn", WSGIAPM_LOG_FILE=str(path), WSGIAPM_APDEX_T="nonsense")

    assert "] wsgiapm: " not in output
    written = path.read_text(encoding="utf-8").splitlines()
    assert any("apdex_t" in line for line in written)
    assert all("] wsgiapm: " in line for line in written)
    assert os.stat(path).st_mode & 0o007 == 0
