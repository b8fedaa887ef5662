# SPDX-License-Identifier: Apache-2.0
"""Handlers of Tornado's own that know nothing of wsgiapm, and beside them a WSGI app; `tornadoed.py PORT` serves both."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys

from plain import application
from tornado.web import Application, FallbackHandler, HTTPError, RequestHandler
from tornado.wsgi import WSGIContainer


class Walk(RequestHandler):
    """Waits, and makes as many statements as the number says, one after each wait."""

    async def get(self, number):
        """Answer when that is done."""
        connection = sqlite3.connect(":memory:")
        for _ in range(int(number)):
            await asyncio.sleep(0.01)
            connection.execute(f"SELECT 7 AS {self.request.path.split('/')[1]}")
        self.write(b"ok")


class Fails(RequestHandler):
    """Raises."""

    def get(self, kind):
        """What the path says."""
        if kind == "value":
            raise ValueError("on purpose")
        raise HTTPError(410)


def make_app():
    """Return the app."""
    return Application(
        [
            (r"/walks/([0-9]+)", Walk),
            (r"/hikes/(?P<number>\d+)/?", Walk),
            (r"/fails/(\w+)", Fails),
            (r"/plain/.*", FallbackHandler, {"fallback": WSGIContainer(application)}),
        ]
    )


async def main(port):
    """Serve for ever."""
    make_app().listen(port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    if os.environ.get("START"):
        import wsgiapm

        wsgiapm.start()
    asyncio.run(main(int(sys.argv[1])))
