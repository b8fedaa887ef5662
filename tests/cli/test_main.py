# SPDX-License-Identifier: Apache-2.0
"""The command as a whole: help, exit statuses, interruption."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from wsgiapm.version import VERSION

COMMANDS = ["generate-config", "check-config", "run-program", "audit", "serve", "harvest", "metrics"]


def test_the_version(wsgiapm):
    """--version prints the one version there is."""
    ran = wsgiapm("--version")
    assert (ran.returncode, ran.stdout) == (0, f"wsgiapm {VERSION}\n")


def test_the_help_names_every_command(wsgiapm):
    """And has an example."""
    ran = wsgiapm("--help")
    assert ran.returncode == 0
    assert [name for name in COMMANDS if name not in ran.stdout] == []
    assert "example:\n  wsgiapm " in ran.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(wsgiapm, command):
    """The example is a line that can be copied."""
    ran = wsgiapm(command, "--help")
    assert ran.returncode == 0
    assert f"wsgiapm {command}" in ran.stdout.partition("example:\n")[2]


@pytest.mark.parametrize(
    "arguments", [[], ["nope"], ["serve", "--nope"], ["metrics", "surplus"], ["serve", "--list", "x:1"]], ids=str
)
def test_called_wrongly(wsgiapm, arguments):
    """Exit status 2, the usage on stderr, nothing on stdout."""
    ran = wsgiapm(*arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("usage: wsgiapm")


def test_help_loads_nothing_it_does_not_need(environment, tmp_path):
    """It comes at once."""
    code = (
        "import sys; from wsgiapm.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print(*sorted(sys.modules), sep='\\n', file=sys.stderr)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    loaded = set(ran.stderr.split())
    assert "wsgiapm.cli.metrics" in loaded
    assert {"wsgiapm.config", "wsgiapm.aggregate", "http", "requests", "falcon", "ssl"} & loaded == set()


def test_interrupted(process, stand_in, wait_until):
    """Ctrl-C ends it with 130 and without a traceback."""
    running = process([sys.executable, *stand_in, "serve"], env={"WAIT": "1"})
    running.wait_for_output("view_token_file=")
    assert running.stop(signal.SIGINT) == 130
    assert "Traceback" not in running.output()


@pytest.mark.parametrize("arguments", ["--help", "check-config", "metrics --shared-dir shared"])
def test_a_reader_that_goes_away(environment, stand_in, shared, tmp_path, arguments):
    """`wsgiapm metrics | head` shows no traceback."""
    command = f"{sys.executable} {stand_in[0]} {arguments} | true; exit ${{PIPESTATUS[0]}}"
    ran = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        env=environment | {"LINES_OF_TEXT": "100000"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stderr == ""
    assert ran.returncode in ({141} if arguments.startswith("metrics") else {0, 141})


def test_output_that_cannot_be_written(environment, tmp_path):
    """A full disk is told."""
    with open("/dev/full", "w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "wsgiapm", "check-config"],
            cwd=tmp_path,
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert (ran.returncode, ran.stderr) == (1, "wsgiapm: [Errno 28] No space left on device\n")


def test_a_terminal_that_knows_only_ascii(wsgiapm):
    """What it cannot show is escaped."""
    ran = wsgiapm("check-config", env={"PYTHONIOENCODING": "ascii", "WSGIAPM_APP_NAME": "caf\u00e9", "PYTHONUTF8": "1"})
    assert ran.returncode == 0
    assert "app_name = caf\\xe9  (environment WSGIAPM_APP_NAME)" in ran.stdout
