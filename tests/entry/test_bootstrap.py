# SPDX-License-Identifier: Apache-2.0
"""What `wsgiapm run-program` does to a program, and what it leaves alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.entry.conftest import APPS, BIN, PATH
from tests.servers.conftest import ROOT
from wsgiapm.bootstrap import directory, extended_environment

FOREIGN = "/usr/bin/python3"
SHOW = "import json, sys; print(json.dumps([sorted(sys.modules), sys.path, sys.meta_path.__len__()]))"


@pytest.fixture
def run(tmp_path, settings):
    """`run(*words, through=True, env={})` runs a command to its end, by run-program or by itself; or as its child would be."""

    def start(*words, through=True, env=None):
        argv = [sys.executable, "-m", "wsgiapm", "run-program", *words] if through else list(words)
        environment = {"HOME": str(tmp_path), **settings, **(env or {})}
        if through == "as a child":
            argv, environment = words, extended_environment(1, environment)
        return subprocess.run(
            argv, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )

    return start


def seen(ran):
    """The modules, the path and the number of finders a program says it has."""
    modules, path, finders = json.loads(ran.stdout)
    return set(modules), path, finders


def test_a_program_gets_no_other_modules_but_ours(run):
    """Nothing that gevent has yet to patch, nor anything else of anybody: the path is as it was."""
    modules, path, _ = seen(run(sys.executable, "-c", SHOW))
    others, same_path, _ = seen(run(sys.executable, "-c", SHOW, through=False))
    more = {name.partition(".")[0] for name in modules - others}
    assert more - {"wsgiapm", "sitecustomize"} <= {"__future__", "collections", "functools", "importlib"}
    assert path == same_path
    assert "wsgiapm.agent" not in modules
    assert "wsgiapm.config" not in modules


@pytest.mark.parametrize("moment", ["post_worker_init", "on_starting"])
def test_a_gunicorn_gets_nothing_that_gevent_has_yet_to_patch(process, settings, free_port, tmp_path, moment):
    """Neither its master nor a worker has any module more than without us but small parts of the standard library."""
    config = tmp_path / "gunicorn.conf.py"
    config.write_text(
        f"import json, sys\ndef {moment}(_):\n    print('modules:', json.dumps(sorted(sys.modules)), flush=True)\n"
    )
    found = []
    for before in ([sys.executable, "-m", "wsgiapm", "run-program"], []):
        port = free_port()
        options = [f"--bind=127.0.0.1:{port}", "--no-control-socket", "--worker-class=gevent"]
        argv = [*before, os.path.join(BIN, "gunicorn"), *options, "--config", str(config), "plain:app"]
        running = process(argv, env={**settings, "WSGIAPM_HARVEST_MODE": "external"})
        found.append(set(json.loads(running.wait_for_output(r"^modules: (.*)$")[1])))
        running.wait_for_port(port)
        running.popen.kill()
    more = {name.partition(".")[0] for name in found[0] - found[1]} - {"wsgiapm", "sitecustomize"}
    assert more & {"asyncio", "concurrent", "email", "http", "logging", "multiprocessing", "requests", "ssl"} == set()
    assert more & {"sqlite3", "urllib3", "wrapt", "django", "flask"} == set()


def test_the_path_is_extended(run):
    """Never replaced, and no second time by a run-program within one."""
    words = [sys.executable, "-c", "import os; print(os.environ['PYTHONPATH'])"]
    once = run(*words).stdout.strip()
    assert once == f"{directory()}{os.pathsep}{ROOT}{os.pathsep}{APPS}"
    assert run("wsgiapm", "run-program", *words).stdout.strip() == once


def test_without_a_path_there_is_none_but_ours():
    """An empty entry would be the working directory."""
    assert extended_environment(1, {})["PYTHONPATH"] == directory()
    assert extended_environment(1, {"PYTHONPATH": ""})["PYTHONPATH"] == directory()
    assert extended_environment(1, {"PYTHONPATH": ":/x"})["PYTHONPATH"] == f"{directory()}::/x"


def test_the_directory_has_nothing_that_could_be_imported():
    """Whatever lies in it is a top-level module to a Python that runs without site."""
    assert {name for name in os.listdir(directory()) if name != "__pycache__"} == {"__init__.py", "sitecustomize.py"}


@pytest.mark.parametrize(
    ("theirs", "out"),
    [
        ("print('theirs')", "theirs\nhere\n"),
        ("print('theirs'); raise RuntimeError('theirs')", "theirs\nhere\n"),
        ("import missing_module", "here\n"),
        ("import sys; sys.exit(7)", ""),
    ],
)
def test_another_sitecustomize_is_loaded(run, tmp_path, theirs, out):
    """It does what it does without us, one that raises too; who imports it gets theirs."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "sitecustomize.py").write_text(theirs)
    environment = {"PYTHONPATH": f"{tmp_path}/own{os.pathsep}{ROOT}"}
    words = [sys.executable, "-c", "print('here')"]
    with_us, without = (run(*words, env=environment, through=how) for how in ("as a child", False))
    assert with_us.stdout == without.stdout == out
    assert with_us.returncode == without.returncode
    assert with_us.stderr.splitlines()[:2] == without.stderr.splitlines()[:2]
    if "raise" not in theirs and out == "theirs\nhere\n":
        words = [sys.executable, "-c", "import sitecustomize as s; print(s.__file__)"]
        asked = run(*words, env=environment, through="as a child")
        assert asked.stdout.split()[-1] == f"{tmp_path}/own/sitecustomize.py"


def test_the_usercustomize_is_not_ours(run, tmp_path):
    """It is loaded once, by the interpreter."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "usercustomize.py").write_text("print('theirs')")
    user_site = tmp_path / "lib" / "python{}.{}".format(*sys.version_info[:2]) / "site-packages"
    user_site.mkdir(parents=True)
    environment = {"PYTHONPATH": f"{tmp_path}/own{os.pathsep}{ROOT}", "PYTHONUSERBASE": str(tmp_path)}
    words = [sys.executable, "-c", "print('here')"]
    with_us, without = (run(*words, env=environment, through=how) for how in ("as a child", False))
    assert (with_us.stdout, with_us.stderr) == (without.stdout, without.stderr)


@pytest.mark.skipif(not os.path.exists(FOREIGN), reason=f"there is no {FOREIGN}")
def test_a_python_without_wsgiapm(run):
    """The program that was asked for says that nothing is recorded; one that it starts is not disturbed."""
    environment = {"PYTHONPATH": APPS, "PATH": f"{os.path.dirname(FOREIGN)}{os.pathsep}{PATH}"}
    script = f"import subprocess; subprocess.run([{FOREIGN!r}, '-c', 'print(1)'], check=True)"
    child = run(sys.executable, "-c", script)
    assert (child.returncode, child.stdout, child.stderr) == (0, "1\n", "")
    asked = subprocess.run(
        [
            FOREIGN,
            "-c",
            (
                "import os, sys; sys.path.insert(0, sys.argv[1])\n"
                "from wsgiapm.bootstrap import extended_environment as e\n"
                "os.execve(sys.executable, [sys.executable, '-c', 'print(2)'], e(os.getpid(), {'PYTHONPATH': ''}))"
            ),
            ROOT,
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (asked.returncode, asked.stdout) == (0, "2\n")
    assert "nothing is recorded in" in asked.stderr
    assert "install wsgiapm into its environment" in asked.stderr


def test_any_version_of_python_can_read_it():
    """What a Python 2.7 would refuse to compile would be an error line in every git hook."""
    with open(os.path.join(directory(), "sitecustomize.py"), encoding="utf-8") as file:
        text = file.read()
    assert text.isascii()
    assert [
        word for word in ("def ", 'f"', "f'", ":=", "print(", "nonlocal", "async", " -> ", "from None") if word in text
    ] == []


def test_something_wrong_with_us_does_not_stop_a_program(run, tmp_path):
    """It says so and runs, unobserved."""
    broken = tmp_path / "broken" / "wsgiapm"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('damaged')")
    code = f"import os, sys; os.environ['PYTHONPATH'] = {directory()!r} + ':{tmp_path}/broken'; os.environ['_WSGIAPM_PROGRAM'] = str(os.getpid()); os.execv(sys.executable, [sys.executable, '-c', 'print(3)'])"
    ran = run(sys.executable, "-c", code, through=False)
    assert (ran.returncode, ran.stdout) == (0, "3\n")
    assert "damaged" in ran.stderr


def test_it_becomes_the_program(run):
    """The process and the exit status are the program's own."""
    assert run("sh", "-c", "exit 7").returncode == 7
    ran = run("sh", "-c", "echo $PPID $_WSGIAPM_PROGRAM $$")
    _, program, own = ran.stdout.split()
    assert program == own


@pytest.mark.parametrize(
    ("words", "reason"),
    [([], "needs the program to run"), (["--"], "needs the program"), (["nope-nope"], "there is no program nope-nope")],
)
def test_called_wrongly(run, words, reason):
    """Exit status 2; what was found, what to do."""
    ran = run(*words)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert reason in ran.stderr


def test_a_program_that_is_installed_beside_us(run):
    """A virtual environment need not be activated."""
    ran = run("django-admin", "--version", env={"PATH": "/usr/bin:/bin"})
    assert ran.returncode == 0


def test_an_error_of_ours_is_counted_and_said(run, tmp_path):
    """The server that has called us goes on with the app as it is."""
    code = (
        "import plain, wsgiapm.enclosing as e, wsgiref.simple_server as s\n"
        "def broken(app): raise RuntimeError('ours')\n"
        "e.enclose = broken\n"
        "server = s.WSGIServer(('127.0.0.1', 0), None)\n"
        "server.set_app(plain.app)\n"
        "print(server.get_app() is plain.app)\n"
    )
    ran = run(sys.executable, "-c", code)
    assert ran.stdout == "True\n"
    assert "internal error at " in ran.stderr
    assert "RuntimeError('ours')" in ran.stderr
