# SPDX-License-Identifier: Apache-2.0
"""The agent's threads, locks and sleep in a process that gevent has patched."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

PROGRAM = """
import _thread, time
before = _thread.allocate_lock, _thread.start_new_thread, time.sleep
IMPORTED_BEFORE
from gevent import monkey
monkey.patch_all()
from wsgiapm import native
import gevent, threading

assert time.sleep is not before[2] and _thread.start_new_thread is not before[1]
main, lock = before[0](), native.allocate_lock()
print(type(lock) is type(main))

ticks, threads = [], []
lock.acquire()

def work():
    threads.append(threading.get_native_id())
    native.sleep(0.2)
    threads.append(len(ticks))
    lock.release()

native.start_thread(work)
while not lock.acquire(False):
    ticks.append(1)
    gevent.sleep(0.01)
print(threads[0] != threading.get_native_id(), threads[1] > 2)
"""


@pytest.mark.parametrize("imported", ["", "from wsgiapm import native"], ids=["imported after", "imported before"])
def test_they_are_the_interpreters_own(imported):
    """A thread of ours that sleeps does not stop the loop, and its lock is none the loop knows of."""
    program = PROGRAM.replace("IMPORTED_BEFORE", imported)
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60)

    assert done.stderr == ""
    assert done.stdout.split() == ["True", "True", "True"]


GREENLETS = """
from gevent import monkey
monkey.patch_all()
import gevent, greenlet, os, sys
from wsgiapm import APMMiddleware, agent
from wsgiapm.transaction import current_transaction

def streaming(environ, start_response):
    start_response("200 OK", [])
    for number in range(3):
        gevent.sleep(0)
        transaction = current_transaction()
        assert transaction is environ["wsgiapm.transaction"], transaction
        yield b"x"

def stuck(environ, start_response):
    gevent.sleep(3600)

def environ(path):
    return {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "http", "PATH_INFO": path}

app = APMMiddleware(lambda environ, start: (stuck if environ["PATH_INFO"] == "/stuck" else streaming)(environ, start))

def serve(path):
    body = app(environ(path), lambda *_: None)
    assert list(body) == [b"x"] * 3
    body.close()

gevent.joinall([gevent.spawn(serve, f"/p{n}") for n in range(20)], raise_error=True)

# called in one greenlet, sent by another
body = app(environ("/moved"), lambda *_: None)
other = gevent.spawn(lambda: [next(body) for _ in range(0)] + [body.close()])
other.join()
assert other.successful(), other.exception

killed = gevent.spawn(app, environ("/stuck"), lambda *_: None)
gevent.sleep(0.01)
killed.kill()
assert isinstance(killed.value, greenlet.GreenletExit), killed.value

from wsgiapm.aggregate.merge import merge
families = {f.name: f.points for f in merge(os.environ["WSGIAPM_SHARED_DIR"]).families}
points = families["http.server.request.duration"]
counted = {}
for point in points:
    values = dict(point.attributes)
    key = values["http.route"].rstrip("0123456789"), values.get("error.type")
    counted[key] = counted.get(key, 0) + point.count
print({key: count for key, count in sorted(counted.items(), key=str) if count})
print(sum(p.value for p in families.get("http.server.active_requests", ())))
print([a.failures for a in agent._process.agents.values()])
"""


def test_greenlets_do_not_mix_up_their_requests(tmp_path):
    """Each has a context of its own; one that is killed counts once and is no error."""
    settings = {"WSGIAPM_SHARED_DIR": str(tmp_path / "shared"), "WSGIAPM_ENDPOINT": "", "PYTHONPATH": ROOT}
    environment = {**os.environ, **settings}
    done = subprocess.run(
        [sys.executable, "-c", GREENLETS], check=False, capture_output=True, text=True, timeout=60, env=environment
    )

    assert done.stderr.count("\n") == 1  # where the counters go
    assert done.stdout.splitlines() == ["{('/moved', None): 1, ('/p', None): 20, ('/stuck', None): 1}", "0", "[0]"]
