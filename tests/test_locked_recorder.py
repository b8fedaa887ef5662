# SPDX-License-Identifier: Apache-2.0
"""Interpreters without a global lock: what is assumed of the interpreter is looked at, and counting is exact all the same."""

from __future__ import annotations

import signal
import sys
import threading

import pytest

from tests.aggregate.counting import ERRORS, by_route, finish, in_flight, join_patiently, record, run, started
from wsgiapm import native
from wsgiapm.aggregate.merge import merge
from wsgiapm.errors import WsgiapmError
from wsgiapm.locked_recorder import LockedRecorder, check_interpreter, make_recorder
from wsgiapm.recorder import Recorder


@pytest.fixture
def shared(tmp_path):
    """The path of a shared directory."""
    return str(tmp_path / "shop")


@pytest.fixture
def recorder(shared, monkeypatch):
    """The recorder of an interpreter that says it has no global lock."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    recorder = make_recorder(join_patiently(shared), max_series=2000, error_status=ERRORS)
    assert type(recorder) is LockedRecorder
    yield recorder
    recorder.instance.close()


def test_with_a_global_lock_there_is_no_other(shared, monkeypatch):
    """What the interpreter says decides; one too old to be asked has a global lock."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: True, raising=False)
    instance = join_patiently(shared)
    assert type(make_recorder(instance, max_series=1, error_status=())) is Recorder
    monkeypatch.delattr(sys, "_is_gil_enabled")
    assert native.has_global_lock()
    instance.close()


def test_threads_count_exactly(recorder, shared):
    """Four threads on the same series, all of whose steps are taken one after the other."""

    def work():
        for number in range(3000):
            record(recorder, f"/{number % 3}", duration=number)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    recorder.work_off()

    assert by_route(merge(shared)).total() == 12_000
    assert in_flight(merge(shared)) == 0


def test_every_step_holds_the_lock(recorder, monkeypatch):
    """Beginning, ending, ignoring, naming and working off are kept out while another thread is in one of them."""
    transaction = started(recorder)
    doings = [
        lambda: started(recorder),
        lambda: finish(recorder, transaction),
        lambda: recorder.forget(transaction),
        lambda: recorder.rescue(transaction, 1),
        recorder.work_off,
        lambda: recorder.rename(transaction),
    ]
    for doing in doings:
        thread = threading.Thread(target=doing, daemon=True)
        with recorder._lock:
            thread.start()
            thread.join(0.05)
            assert thread.is_alive()
        thread.join(30)
        assert not thread.is_alive()


def test_a_signal_handler_may_record_in_the_middle(recorder, shared):
    """The thread that has the lock can take it once more."""
    handled = []

    def handle(number, frame):
        record(recorder, "/handler")
        handled.append(number)

    old = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    count = 0
    while len(handled) < 20:
        record(recorder, "/app")
        count += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, old)

    assert by_route(merge(shared)) == {"/app": count, "/handler": len(handled)}


def test_the_child_of_a_fork_is_not_kept_out(recorder):
    """Not even if the parent's other thread was in the middle of something."""
    ready, done = threading.Event(), threading.Event()

    def hold():
        with recorder._lock:
            ready.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    ready.wait(30)

    def child():
        recorder.leave()
        record(recorder)

    assert run(child) == 0
    done.set()
    thread.join()


def test_a_machine_that_cannot_share_is_told_so(monkeypatch):
    """Big-endian words, or words of two halves, are another format: nothing is counted rather than something wrong."""
    check_interpreter()
    monkeypatch.setattr(sys, "byteorder", "big")
    with pytest.raises(WsgiapmError, match="little-endian"):
        check_interpreter()
