# SPDX-License-Identifier: Apache-2.0
"""No secret appears in a log, in what a command prints, in an upload's body, or in a file: only that it is set."""

from __future__ import annotations

import gzip
import http.server
import os
import subprocess
import sys
import threading

import pytest

from wsgiapm.concealment import conceal
from wsgiapm.config import OPTIONS, resolve

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SECRETS = {
    "license_key": "hush-license",
    "headers": "X-Key=hush-header,X-Other=Bearer hush-other",
    "metrics_token": "hush-metrics",
    "proxy": "http://hush-user:hush-password@127.0.0.1:{port}",
}
# None of them can be used; whoever says so must not repeat it.
BAD = {
    "license_key": "hush license",
    "headers": "hush-header",
    "metrics_token": "hush\tmetrics",
    "proxy": "ftp://hush-user:hush-password@p",
    "endpoint": "http://hush-user:hush-password@127.0.0.1:1",
}
PROGRAM = """\
import wsgiapm
from wsgiapm import APMMiddleware

def answer(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]

app = APMMiddleware(answer)
for path in ("/a", "/b"):
    environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "http", "SCRIPT_NAME": "", "PATH_INFO": path}
    b"".join(app(environ, lambda status, headers, exc_info=None: None))
"""


class _Repeating(http.server.BaseHTTPRequestHandler):
    """Refuses everything, and says what it was sent, as some servers do when they are asked for help."""

    def do_POST(self):
        self.server.bodies.append(gzip.decompress(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.heard.append(str(self.headers))
        answer = " ".join(f"{name}={value}" for name, value in self.headers.items()).encode()
        self.send_response(self.server.status)
        self.send_header("Location", f"http://elsewhere/?{self.headers['Authorization']}")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def repeating():
    """A server that repeats all headers in its answer."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Repeating) as server:
        server.bodies, server.heard, server.status = [], [], 401
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def run(tmp_path):
    """`run(*arguments, settings)` runs Python and returns all it wrote."""

    def start(*arguments, settings):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WSGIAPM_")}
        given = {OPTIONS[name].variable: value for name, value in settings.items()}
        environment = (
            kept | {"PYTHONPATH": ROOT, "HOME": str(tmp_path), "WSGIAPM_SHARED_DIR": f"{tmp_path}/shared"} | given
        )
        done = subprocess.run(
            [sys.executable, *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout + done.stderr

    return start


def test_every_setting_that_may_be_secret_is_planted():
    """A new one has to be added here."""
    assert {name for name, option in OPTIONS.items() if option.kind.may_be_secret} == set(SECRETS)


@pytest.mark.parametrize("status", [401, 302, 503])
def test_nothing_shows_them(repeating, run, tmp_path, status):
    """Neither the log, at its most talkative, nor any command, nor an upload's body, nor a shared file."""
    repeating.status = status
    settings = {name: value for name, value in SECRETS.items() if name != "proxy"}
    settings |= {"endpoint": f"http://127.0.0.1:{repeating.server_port}", "log_level": "DEBUG"}
    (tmp_path / "program.py").write_text(PROGRAM)
    said = run("program.py", settings=settings)
    for command in (["harvest", "--once"], ["audit", "--once"], ["check-config"], ["doctor"], ["metrics"]):
        said += run("-m", "wsgiapm", *command, settings=settings)
    assert "success" in said
    assert f"answered {status}" in said
    assert "hush" in "".join(repeating.heard)
    assert "hush" not in said
    assert not any(b"hush" in body for body in repeating.bodies)
    for name in os.listdir(tmp_path / "shared"):
        assert b"hush" not in (tmp_path / "shared" / name).read_bytes()


def test_a_proxy_that_fails_is_told_without_its_login(repeating, run, tmp_path):
    """The address is, as far as it helps."""
    settings = {
        **SECRETS,
        "proxy": SECRETS["proxy"].format(port=repeating.server_port),
        "endpoint": "https://apm.invalid",
    }
    (tmp_path / "program.py").write_text(PROGRAM)
    said = run("program.py", settings=settings) + run("-m", "wsgiapm", "harvest", "--once", settings=settings)
    said += run("-m", "wsgiapm", "check-config", settings=settings)
    assert "proxy" in said
    assert "hush" not in said


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_is_not_repeated(run, tmp_path, name):
    """In a log it is one line, in a command an error; a name that is misspelt is told without what it was set to."""
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "app.ini").write_text(f"[wsgiapm]\n{name} = {BAD[name]}\n{name}s = hush\n")
    in_file = run("-m", "wsgiapm", "check-config", "app.ini", settings={"endpoint": ""} if name != "endpoint" else {})
    said = run("program.py", settings={"endpoint": "", name: BAD[name]})
    said += run("-m", "wsgiapm", "check-config", settings={name: BAD[name]}) + in_file
    assert f"{name} is " in said
    assert "hush" not in said


def test_settings_in_a_traceback():
    """Their repr leaves out what may be secret."""
    settings = {**SECRETS, "proxy": SECRETS["proxy"].format(port=1)}
    assert "hush" not in repr(resolve(settings, environ={}).settings)


def test_what_is_concealed():
    """The value of a header without its scheme, too; of an address the login and nothing else."""
    text = "http://p:1 says: Bearer abcdef, me:word4, xyz"
    assert conceal(text, ["Bearer abcdef", "http://me:word4@p:1", "xyz"]) == (
        "http://p:1 says: (not shown), (not shown), xyz"
    )
    assert conceal("abcdef", ["Bearer abcdef"]) == "(not shown)"
    assert conceal("nothing", ["", "http://p:1"]) == "nothing"
