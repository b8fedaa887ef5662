# SPDX-License-Identifier: Apache-2.0
"""Real servers behind `wsgiapm run-program`, with apps that know nothing of it: every request is counted once."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from tests.entry.conftest import APPS
from tests.servers.conftest import UWSGI

SITE = os.path.join(APPS, "site")
GUNICORN = ("gunicorn", "--bind=127.0.0.1:{port}", "--no-control-socket")
UWSGI_ = ("uwsgi", "--http-socket=127.0.0.1:{port}", "--master", "--die-on-term", "--disable-logging", "--need-app")
SERVERS = {
    "gthread": [*GUNICORN, "--threads=4", "plain:app"],
    "waitress": ["waitress-serve", "--listen=127.0.0.1:{port}", "plain:app"],
    "wsgiref": [
        sys.executable,
        "-c",
        "import plain, wsgiref.simple_server as s; s.make_server('127.0.0.1', {port}, plain.app).serve_forever()",
    ],
    "python -m": [sys.executable, "-m", "gunicorn", *GUNICORN[1:], "plain:app"],
}
RARER = {
    "preload": [*GUNICORN, "--preload", "--workers=2", "plain:app"],
    "factory": [*GUNICORN, "plain:make_app()"],
    "reload": [*GUNICORN, "--reload", "plain:app"],
    "gevent_pywsgi": [*GUNICORN, "--worker-class=gevent_pywsgi", "plain:app"],
    "tornado": [*GUNICORN, "--worker-class=tornado", "plain:app"],
    "cheroot": ["cheroot", "--bind=127.0.0.1:{port}", "plain:app"],
    "cherrypy": [
        sys.executable,
        "-c",
        (
            "import cherrypy, plain; cherrypy.tree.graft(plain.app, '/'); cherrypy.config.update({'server.socket_port': {port},"
            " 'engine.autoreload.on': False}); cherrypy.engine.start(); cherrypy.engine.block()"
        ),
    ],
    "gevent": [
        sys.executable,
        "-c",
        (
            "from gevent import monkey; monkey.patch_all(); import plain; from gevent.pywsgi import WSGIServer;"
            "WSGIServer(('127.0.0.1', {port}), plain.app).serve_forever()"
        ),
    ],
}
needs_uwsgi = pytest.mark.skipif(
    not os.path.exists(UWSGI), reason="uwsgi could not be built here (it needs a C compiler)"
)


@pytest.mark.parametrize(
    "words",
    [
        *(pytest.param(words, id=name) for name, words in SERVERS.items()),
        *(pytest.param(words, id=name, marks=pytest.mark.long) for name, words in RARER.items()),
    ],
)
def test_any_server_it_knows(serve, counts, wait_until, words):
    """Whichever takes the app: a mix of requests is counted by route and status, exactly."""
    _, client = serve(*words)
    for _ in range(7):
        assert client.get("/walks/9") == (200, b"ok")
    for _ in range(3):
        assert client.get("/missing")[0] == 404
    wait_until(lambda: counts.total >= 10, "all are counted")
    assert counts.requests == {("/walks/*", 200): 7, ("(not found)", 404): 3}


def test_bottle_under_gunicorn_with_gevent_workers(serve, count_walks):
    """An unchanged Bottle app."""
    pytest.importorskip("bottle", reason="Bottle is not installed for this Python")
    _, client = serve(*GUNICORN, "--worker-class=gevent", "--workers=2", "bottled:app")
    count_walks(client, "/walks/<pk:int>")


def test_flask_run(serve, count_walks):
    """An unchanged Flask app, by its development server."""
    _, client = serve("flask", "--app=flasked", "run", "--port={port}")
    count_walks(client, "/walks/<int:pk>")


def test_runserver_with_its_reloader(serve, count_walks):
    """An unchanged Django project: the parent that watches the files counts nothing, its child everything."""
    _, client = serve(sys.executable, "manage.py", "runserver", "127.0.0.1:{port}", cwd=SITE)
    count_walks(client, "/walks/<int:pk>/", path="/walks/{}/")


@needs_uwsgi
@pytest.mark.parametrize(
    "options",
    [
        ["--module=plain:app"],
        ["--wsgi-file=plain.py"],
        pytest.param(["--wsgi-file=plain.py", "--callable=app"], marks=pytest.mark.long),
        pytest.param(["--module=plain", "--callable=app"], marks=pytest.mark.long),
        pytest.param(["--module=plain:make_app()"], marks=pytest.mark.long),
        pytest.param(["--mount=/=plain:app"], marks=pytest.mark.long),
        pytest.param(["--wsgi-file=plain.py", "--lazy-apps", "--processes=2"], marks=pytest.mark.long),
    ],
    ids=" ".join,
)
def test_uwsgi(serve, counts, wait_until, options):
    """However it is told where the app is, one that it reads and runs itself included."""
    _, client = serve(*UWSGI_, *options)
    for _ in range(10):
        assert client.get("/walks/9") == (200, b"ok")
    wait_until(lambda: counts.total >= 10, "all are counted")
    assert counts.requests == {("/walks/*", 200): 10}


@needs_uwsgi
def test_uwsgi_by_ini_file(serve, counts, count_walks, tmp_path):
    """An unchanged Django project, with what an ini file says."""
    ini = tmp_path / "site.ini"
    ini.write_text(
        f"[uwsgi]\nmodule = project.wsgi\nchdir = {SITE}\npythonpath = {SITE}\nmaster = 1\ndie-on-term = 1\n"
    )
    _, client = serve("uwsgi", "--ini", str(ini), "--http-socket=127.0.0.1:{port}")
    count_walks(client, "/walks/<int:pk>/", path="/walks/{}/")


def test_an_app_that_wraps_itself(serve, counts, tmp_path, wait_until):
    """It is recorded once, with the settings it gave itself, and not with those of the environment."""
    explicit = type(counts)(str(tmp_path / "explicit"))
    _, client = serve(*GUNICORN, "wrapped:application", env={"EXPLICIT": explicit.path})
    for _ in range(5):
        assert client.get("/walks/1")[0] == 200
    wait_until(lambda: explicit.total >= 5, "all are counted")
    assert explicit.requests == {("/walks/*", 200): 5}
    assert counts.total == 0


def test_users_hooks_are_called_too(serve, counts, tmp_path, wait_until):
    """Those of the configuration, each as often as without us, also where ours raises nothing and theirs does."""
    config = tmp_path / "gunicorn.conf.py"
    config.write_text(
        "def on_starting(server): print('theirs: on_starting', flush=True)\n"
        "def post_worker_init(worker): print('theirs: post_worker_init', flush=True)\n"
        "def worker_exit(server, worker): print('theirs: worker_exit', flush=True); raise ValueError('theirs')\n"
        "def child_exit(server, worker): print('theirs: child_exit', flush=True)\n"
        "def on_exit(server): print('theirs: on_exit', flush=True)\n"
    )
    running, client = serve(*GUNICORN, "--config", str(config), "plain:app")
    assert client.get("/walks/1")[0] == 200
    wait_until(lambda: counts.total == 1, "it is counted")
    assert running.stop() == 0
    told = [line.removeprefix("theirs: ") for line in running.output().splitlines() if line.startswith("theirs: ")]
    assert told == ["on_starting", "post_worker_init", "worker_exit", "child_exit", "on_exit"]


def test_how_a_worker_ended_is_known(serve, counts, wait_until):
    """The master's hook is in the chain: it finds the exit status, which the next worker tells of the one that was killed."""
    import psutil

    running, client = serve(*GUNICORN, "--workers=1", "plain:app")
    assert client.get("/walks/1")[0] == 200
    (worker,) = psutil.Process(running.pid).children()
    worker.send_signal(signal.SIGKILL)
    running.wait_for_output(r"Booting worker(.|\n)*Booting worker")
    wait_until(lambda: client.get("/walks/1")[0] == 200, "the next one answers")
    running.wait_for_output(r"died \(killed, SIGKILL\) while idle")
    wait_until(lambda: counts.total >= 2, "both are counted")
    assert counts.requests == {("/walks/*", 200): 2}


@pytest.mark.parametrize(
    "words",
    [
        pytest.param([*GUNICORN, "connected:app"], id="gunicorn"),
        pytest.param(["waitress-serve", "--listen=127.0.0.1:{port}", "connected:app"], id="waitress"),
        pytest.param(["cheroot", "--bind=127.0.0.1:{port}", "connected:app"], id="cheroot", marks=pytest.mark.long),
        pytest.param(["flask", "--app=connected_flask", "run", "--port={port}"], id="flask", marks=pytest.mark.long),
    ],
)
def test_a_connection_that_is_opened_while_the_app_is_imported(serve, counts, wait_until, words):
    """Its statements are counted, where the server is a command that loads the app itself."""
    _, client = serve(*words)
    for _ in range(9):
        assert client.get("/walks")[0] == 200
    wait_until(lambda: counts.total == 9, "all are counted")
    calls = [point.count for point in counts.points("db.client.operation.duration") if point.count]
    assert calls == [9]
