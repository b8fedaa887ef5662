# SPDX-License-Identifier: Apache-2.0
"""The interpreter's own threads, locks and sleep, also where gevent has put others in their place."""

from __future__ import annotations

import _thread
import subprocess
import sys
import time

from wsgiapm import native


def test_a_thread_runs_what_it_is_given():
    """And a lock is the interpreter's."""
    done = native.allocate_lock()
    done.acquire()
    native.start_thread(done.release)

    assert done.acquire(timeout=20)
    assert type(done) is type(_thread.allocate_lock())


def test_sleep_takes_its_time():
    """At least as long as it is told."""
    before = time.monotonic()
    native.sleep(0.01)

    assert time.monotonic() - before >= 0.01


def test_nothing_is_asked_of_gevent_where_there_is_none():
    """Asking must not load it."""
    code = "import sys; from wsgiapm import native; native.sleep(0); print('gevent' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)

    assert done.stdout == "False\n"


def test_threads_of_ours_are_not_waited_for():
    """An interpreter ends although one of them sleeps for long."""
    code = "from wsgiapm import native; native.start_thread(lambda: native.sleep(3600)); print('end')"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)

    assert done.stdout == "end\n"
    assert done.stderr == ""
