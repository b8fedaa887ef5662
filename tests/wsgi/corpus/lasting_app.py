# SPDX-License-Identifier: Apache-2.0
"""Responses that last until the client goes, and uploads that it breaks off: `application` is watched."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from wsgiapm import APMMiddleware


def _endless() -> Any:
    while True:
        yield b"x" * 65536


def _events() -> Any:
    while True:
        yield b"data: 1\n\n"
        time.sleep(0.05)


def _write_on(write: Any) -> None:
    while True:
        write(b"x" * 65536)


def app(environ: Any, start_response: Any) -> Any:
    """Dispatch."""
    path = environ["PATH_INFO"]
    if path == "/upload":
        environ["wsgi.input"].read()
    headers = [("Content-Type", "text/event-stream" if path == "/events" else "text/plain")]
    if path == "/sized":
        headers.append(("Content-Length", str(1 << 40)))
    write = start_response("200 OK", headers)
    if path == "/written":
        _write_on(write)
    if path == "/events":
        return _events()
    return [b"ok"] if path in {"/", "/upload"} else _endless()


application = APMMiddleware(app)


def main() -> None:
    """Serve with waitress."""
    import waitress

    waitress.serve(application, host="127.0.0.1", port=int(sys.argv[1]), threads=2)


if __name__ == "__main__":
    assert os.environ["WSGIAPM_SHARED_DIR"]
    main()
