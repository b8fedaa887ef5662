# SPDX-License-Identifier: Apache-2.0
"""Real apps answer byte for byte the same with the middleware and without it, and write the same into their logs."""

from __future__ import annotations

import collections
import os
import re
import sys
from functools import partial

import pytest

from tests.wsgi.corpus.client import NO_ANSWER, ask_in_vain, broken_off, conversations, talk
from tests.wsgi.corpus.files import make_files
from tests.wsgi.corpus.paths import UNANSWERED
from wsgiapm.aggregate.merge import merge

HERE = os.path.dirname(os.path.abspath(__file__))
GUNICORN = ["-m", "gunicorn", "--no-control-socket", "--log-level", "warning", "--bind"]
SITE = "tests.wsgi.corpus.site"
GUNICORNS = {"gunicorn sync", "gunicorn gevent", "gunicorn gthread", "gunicorn gevent_pywsgi"}
OTHERS = {"cheroot", "tornado", "waitress", "werkzeug", "wsgiref"}
LONG = {"gunicorn gthread", "gunicorn gevent_pywsgi", *OTHERS}


def command(server, port):
    """How a server is started."""
    if server in OTHERS:
        return ["-m", SITE, server, str(port)]
    return [*GUNICORN, f"127.0.0.1:{port}", "-k", server.split()[1], "--keep-alive", "5", f"{SITE}:application"]


# What a server writes that is another every time.
_CHANGING = re.compile(
    r"^\[[^]]*\] \[\d+\] |\[\d+/\w+/\d{4}[ :][\d:]+\]|0x[0-9a-f]+|(?<='127\.0\.0\.1', )\d+|\.(?:error|access)\.\d+"
    r"|\d{4}-\d\d-\d\d[ T][\d:,]+|'REMOTE_PORT': '\d+'|\(hidden keys: \d+\)|(?<='Task-)\d+|\d+\.\d\dms$",
    re.MULTILINE,
)
# Waitress tells of ports, and of requests that came just before it looked.
_WAITRESS = re.compile(r"^.* waitress(?:\.queue)?: .*\n", re.MULTILINE)
# A request that Tornado gives up without a word to the client; at an answer to HEAD it only finds that it says too much.
_TORNADO_FAILURE = re.compile(r"tornado\.application: Exception in callback (?!.*HTTPOutputError)")
# Wsgiref's server knows neither, and its input has no end.
_BEYOND_WSGIREF = ("chunked", "expecting", "pipelined", "cut in a chunk")
_OUR_FRAME = re.compile(r'^  File "[^"]*/wsgiapm/[^"]*", line .*\n(?: {4}.*\n)*', re.MULTILINE)
_OUR_LINE = re.compile(r"^.* wsgiapm: .*\n", re.MULTILINE)


class Served:
    """What came of it: the answers, the logs, and what was counted."""

    def __init__(self, directory, running):
        self.directory = directory
        self.running = running
        self.answers = {}

    @property
    def output(self):
        """What the server wrote."""
        return self.running.output()

    @property
    def failures(self):
        """How many requests Tornado has left without an answer."""
        return len(_TORNADO_FAILURE.findall(self.log()))

    def log(self, name=""):
        """What the apps wrote."""
        path = os.path.join(self.directory, f"app.log{name}")
        if not os.path.exists(path):
            return ""
        with open(path, encoding="utf-8") as file:
            return _WAITRESS.sub("", _CHANGING.sub("", _OUR_FRAME.sub("", file.read())))

    @property
    def calls(self):
        """The requests that reached the app, and how files were sent."""
        lines = self.log("-calls").splitlines()
        sent = [line for line in lines if line.startswith("sendfile")]
        return [line for line in lines if line not in sent], sent

    @property
    def server_log(self):
        """What the server wrote, without what is ours."""
        return _CHANGING.sub("", _OUR_FRAME.sub("", _OUR_LINE.sub("", self.output)))


@pytest.fixture
def serve(process, free_port, tmp_path, wait_until):
    """`serve(server, watched)` starts the corpus, asks it everything, and stops it."""
    files = tmp_path / "files"
    files.mkdir()
    make_files(str(files))

    def run(server, *, watched):
        directory = tmp_path / ("watched" if watched else "bare")
        directory.mkdir()
        port = free_port()
        environment = {
            "CORPUS_FILES": str(files),
            "CORPUS_LOG": str(directory / "app.log"),
            "CORPUS_WATCHED": "1" if watched else "",
            "WSGIAPM_SHARED_DIR": str(directory / "shared"),
            "WSGIAPM_ENDPOINT": "",
            "WSGIAPM_APDEX_T": "five",
            "PYTHONHASHSEED": "0",
            "PYTHONIOENCODING": "utf-8",
        }
        running = process([sys.executable, *command(server, port)], env=environment)
        running.wait_for_port(port)
        talk(port, b"GET / HTTP/1.0\r\n\r\n")
        skipped = _BEYOND_WSGIREF if server == "wsgiref" else "never"
        served = Served(str(directory), running)
        for label, data in conversations():
            if label.split()[0] in UNANSWERED.get(server, ()):
                failures = served.failures
                wait = partial(wait_until, lambda before=failures: served.failures > before, f"{label} has failed", 60)
                served.answers[label] = ask_in_vain(port, data, wait)
            elif not label.endswith(skipped):
                served.answers[label] = talk(port, data)
        leaving = [(label, data) for label, data in broken_off() if not label.endswith(skipped)]
        served.answers.update({label: talk(port, data, leave=True) for label, data in leaving})
        running.stop()
        return served

    return run


@pytest.mark.parametrize(
    "server", [pytest.param(s, marks=pytest.mark.long if s in LONG else ()) for s in sorted(GUNICORNS | OTHERS)]
)
def test_the_corpus_answers_and_logs_the_same_with_the_middleware_and_without(server, serve):
    """Every byte of the connection but the date; the apps' logs, with their own formats; the server's, but our frames."""
    bare, watched = serve(server, watched=False), serve(server, watched=True)

    differing = [label for label, answer in bare.answers.items() if watched.answers[label] != answer]
    assert differing == [], f"{bare.answers[differing[0]][:2000]!r}\n{watched.answers[differing[0]][:2000]!r}"
    assert {label.split()[0] for label, answer in bare.answers.items() if answer == NO_ANSWER} == UNANSWERED.get(
        server, set()
    )
    assert watched.calls == bare.calls
    assert watched.log() == bare.log()
    for name in ("-pylons", "-cherrypy"):
        assert watched.log(name) == bare.log(name)
    assert watched.server_log == bare.server_log
    check_the_logs(watched)
    check_what_was_counted(watched)
    if server in GUNICORNS and "pywsgi" not in server:  # which has a way of its own to send
        assert watched.calls[1].count("sendfile: True") >= 5


def check_the_logs(watched):
    """The apps' lines are there in their own form, and ours is not silenced by the setup of theirs."""
    assert "⟦INFO⟧ shop.orders: Bestellung für /django/plain: 你好\n" in watched.log()
    assert "⟦ERROR⟧ django.request: Internal Server Error: /django/broken\nTraceback" in watched.log()
    assert "RuntimeError: käputt" in watched.log()
    assert "pylons.stack «schließt /plain»\n" in watched.log("-pylons")
    assert "CherryPy: grüß" in watched.log("-cherrypy")
    assert re.search(r"\[ERROR\] wsgiapm: setting apdex_t: ", watched.output)
    assert "wsgiapm" not in watched.log()


def check_what_was_counted(watched):
    """Each call of the app is one request, none is left over, and none of ours failed."""
    families = {family.name: family.points for family in merge(os.path.join(watched.directory, "shared")).families}
    counted = sum(point.count for point in families["http.server.request.duration"])
    assert counted == len(watched.calls[0])
    assert sum(point.value for point in families["http.server.active_requests"]) == 0
    assert "internal error" not in watched.output
    statuses = collections.Counter()
    for point in families["http.server.request.duration"]:
        statuses[dict(point.attributes).get("http.response.status_code")] += point.count
    assert {200, 202, 204, 206, 299, 302, 304, 404, 405, 416, 418, 500, 503} <= set(statuses)
