# SPDX-License-Identifier: Apache-2.0
"""The app of these tests under uwsgi, in circumstances that CIRCUMSTANCE names."""

from __future__ import annotations

import os
import sys

import uwsgi

CIRCUMSTANCE = os.environ.get("CIRCUMSTANCE", "")


def _say(what):
    def hook():
        os.write(2, f"hook: {what} in worker {uwsgi.worker_id()}\n".encode())

    return hook


if CIRCUMSTANCE == "no threads":  # what an older uwsgi says by itself; from 2.0.31 on threads cannot be switched off
    uwsgi.has_threads = 0
if CIRCUMSTANCE == "hooks before":
    uwsgi.post_fork_hook = _say("fork before")
    uwsgi.atexit = _say("exit before")

from answers import answer  # noqa: E402

from wsgiapm import APMMiddleware  # noqa: E402

application = APMMiddleware(answer)

if CIRCUMSTANCE == "hooks after":
    uwsgi.post_fork_hook = _say("fork after")
    uwsgi.atexit = _say("exit after")
if CIRCUMSTANCE == "decorators":
    from uwsgidecorators import postfork

    postfork(_say("fork decorated"))
if CIRCUMSTANCE == "warmed up":  # the agent is running when uwsgi forks, and its hook is lost
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/json", "wsgi.url_scheme": "http"}
    list(application(environ, lambda status, headers, exc_info=None: sys.stderr.write))
    del uwsgi.post_fork_hook
