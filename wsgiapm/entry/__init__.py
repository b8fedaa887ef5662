# SPDX-License-Identifier: Apache-2.0
"""How the agent gets into a program that does not know of it: at the places where servers take their WSGI app.

A server's module is watched for and never imported by us; where it is imported nothing is loaded but what wraps the app.
Every Python that such a program starts loads these modules: they do without `typing`, which takes ten times as long as all.
"""

from __future__ import annotations

from wsgiapm.entry import gunicorn, jobs, loading, servers, tornado
from wsgiapm.entry.arrivals import watch_for
from wsgiapm.entry.embedded import look_out_for_embedding


def look_out() -> None:
    """Be there when a server is imported, or is one that Python is embedded in. At the start of the interpreter."""
    watch_for({**servers.ARRIVALS, **loading.ARRIVALS, **gunicorn.ARRIVALS, **tornado.ARRIVALS, **jobs.ARRIVALS})
    look_out_for_embedding()
