# SPDX-License-Identifier: Apache-2.0
"""The uploader in a native thread of a process that gevent has patched, as the harvest thread uses it."""

from __future__ import annotations

import sys

SERVER = """
import http.server, threading

arrived, released = threading.Event(), threading.Event()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        arrived.set()
        self.answer(200 if released.wait(30) else 503)

    def do_GET(self):
        if self.path == "/release":
            released.set()
        self.answer(200 if arrived.wait(30) else 504)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print("port", server.server_address[1], flush=True)
server.serve_forever()
"""

CLIENT = """
import sys
from wsgiapm import native
from wsgiapm.uploader import Uploader  # before the patching, as in a gunicorn config file
early = {"requests", "ssl", "urllib3"} & set(sys.modules)

from gevent import monkey
monkey.patch_all()
import threading, urllib.request
import gevent

address = "http://localhost:" + sys.argv[1]
outcomes = []

def upload():
    uploader = Uploader(address, token=lambda: "secret", timeout=(20, 40))
    outcomes.append((threading.get_native_id(), uploader.send("/v1/metrics", b"body")))
    uploader.close()

native.start_thread(upload)
for path in ("/arrived", "/release"):
    urllib.request.urlopen(address + path, timeout=40).close()
while not outcomes:
    gevent.sleep(0.01)
[(thread, outcome)] = outcomes
print("loaded early:", sorted(early))
print("own thread:", thread != threading.get_native_id())
print("outcome:", outcome.kind, outcome.status, flush=True)
"""


def test_the_hub_goes_on_while_a_native_thread_uploads(process):
    """The server answers the upload only after the main hub has asked it to: a blocked hub would never get there."""
    port = process([sys.executable, "-c", SERVER]).wait_for_output(r"^port (\d+)")[1]
    client = process([sys.executable, "-c", CLIENT, port])
    client.wait_for_output("^outcome: ", timeout=60)
    assert client.popen.wait(20) == 0
    assert client.output().splitlines() == ["loaded early: []", "own thread: True", "outcome: delivered 200"]
