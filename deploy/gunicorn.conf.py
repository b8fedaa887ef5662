# SPDX-License-Identifier: Apache-2.0
"""Gunicorn for a web app watched by wsgiapm: `gunicorn -c gunicorn.conf.py project.wsgi`.

The hooks at the end are all that wsgiapm needs here. Everything else is a good start for a small site and yours to change;
what is given on the command line wins over this file. The agent itself is set by WSGIAPM_* variables (`wsgiapm check-config`).
"""

import multiprocessing

# Gunicorn finds its hooks by their names.
from wsgiapm.gunicorn_hooks import (  # noqa: F401
    child_exit,
    on_exit,
    on_starting,
    post_fork,
    post_worker_init,
    worker_abort,
    worker_exit,
)

bind = "127.0.0.1:8000"

# Processes use the cores; with gevent each of them serves many requests at once, as long as they wait for something.
workers = 2 * multiprocessing.cpu_count() + 1
worker_class = "gevent"
worker_connections = 1000

# A worker is replaced after so many requests, so that no leak grows for ever. The jitter keeps them from going all at once.
# Numbers are not lost: the next worker goes on counting where the last one stopped.
max_requests = 10_000
max_requests_jitter = 1_000

# A worker that gives no sign for so long is killed; what it was doing is then seen in the report.
timeout = 60

# How long a worker may finish its requests after HUP, TERM or max_requests. Supervisor's stopwaitsecs must be longer.
graceful_timeout = 30

# The access log is yours to switch on ("-": standard output).
accesslog = None
errorlog = "-"
