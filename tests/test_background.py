# SPDX-License-Identifier: Apache-2.0
"""Transactions that are no requests: counted exactly, by task and outcome, in whatever process they run, and however it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from tests.aggregate.counting import MILLISECOND, family, histograms, recorder_at
from wsgiapm import agent, background, tracing
from wsgiapm.aggregate import schema
from wsgiapm.aggregate.merge import merge
from wsgiapm.background import background_task
from wsgiapm.own_span import span
from wsgiapm.span import CACHE, DB, Operation
from wsgiapm.transaction import CURRENT, current_transaction


class Source:
    """An agent with a recorder that is there already."""

    def __init__(self, recorder):
        self.recorder = recorder

    def start(self):
        """Return it."""
        return self.recorder


@pytest.fixture
def shared(tmp_path):
    """The path of a shared directory."""
    return str(tmp_path / "shop")


@pytest.fixture
def recorder(shared, monkeypatch):
    """The recorder of this process."""
    recorder = recorder_at(shared, max_series=20)
    monkeypatch.setattr(agent, "any_agent", lambda: Source(recorder))
    monkeypatch.setattr(agent, "recorders", lambda: [recorder])
    monkeypatch.setattr(agent, "failed", lambda _gate: pytest.fail(f"{sys.exc_info()[1]!r}"))
    token = CURRENT.set(None)
    yield recorder
    CURRENT.reset(token)
    recorder.instance.close()


def runs(path):
    """How many runs have ended, by task and outcome."""
    points = histograms(merge(path), schema.TASK_DURATION)
    return {(dict(point.attributes)["task"], dict(point.attributes)["outcome"]): point.count for point in points}


def values(path, name):
    """The values of a family, by its attributes' values."""
    return {tuple(str(value) for _, value in names): value for names, value in family(merge(path), name).items()}


def requests(path):
    """How many requests have been counted."""
    return sum(point.count for point in histograms(merge(path), schema.REQUEST_DURATION))


def test_runs_are_counted_by_task_and_outcome(recorder, shared):
    """What ends well is a success, what ends by an exception a failure, which reaches the caller; neither is a request."""
    for _ in range(3):
        with background_task("report") as transaction:
            assert current_transaction() is transaction
    with pytest.raises(ZeroDivisionError), background_task("report"):
        raise ZeroDivisionError
    with pytest.raises(SystemExit), background_task("report"):
        raise SystemExit(0)
    with pytest.raises(SystemExit), background_task("report"):
        raise SystemExit(1)
    assert current_transaction() is None
    assert runs(shared) == {("report", "success"): 4, ("report", "failure"): 2}
    assert requests(shared) == 0


def test_a_run_can_be_named_anew_or_left_out(recorder, shared):
    """The transaction of a task is one like a request's: its name can be set, and it can be ignored."""
    with background_task("cron") as transaction:
        transaction.name = "cron: invoices"
    with background_task("cron") as transaction:
        transaction.ignore()
    assert runs(shared) == {("cron: invoices", "success"): 1}


def test_decorated_functions_are_runs(recorder, shared):
    """Each call is one run, and behaves as before: results, exceptions, what is sent and thrown into a generator."""

    @background_task("add")
    def add(a, b):
        return a + b

    @background_task("wait")
    async def wait():
        await asyncio.sleep(0)
        return current_transaction().name

    @background_task("feed")
    def feed():
        try:
            got = yield current_transaction().name
        except KeyError:
            got = "thrown"
        yield got
        return 7

    def drain():
        return (yield from feeding)

    assert add(1, b=2) == 3
    assert asyncio.run(wait()) == "wait"
    feeding = feed()
    assert next(feeding) == "feed"
    assert current_transaction() is None
    assert feeding.throw(KeyError()) == "thrown"
    assert list(drain()) == []
    feeding = feed()
    next(feeding)
    feeding.close()
    assert add.__name__ == "add"
    assert runs(shared) == {("add", "success"): 1, ("wait", "success"): 1, ("feed", "success"): 2}


def test_an_asynchronous_generator_is_refused():
    """It cannot be wrapped without changing it, and says so when it is decorated."""

    async def feed():
        yield 1

    with pytest.raises(TypeError, match="asynchronous generator"):
        background_task("feed")(feed)


def test_within_a_transaction_a_task_is_a_part_of_it(recorder, shared):
    """No instant is counted twice: the outer one keeps its name, and is the one that is counted."""
    with background_task("outer") as outer:
        with background_task("inner") as inner:
            assert inner is outer
        assert list(background_task("inner")(lambda: (yield 1))()) == [1]
    assert runs(shared) == {("outer", "success"): 1}


def test_a_transaction_of_another_process_is_none_to_be_within(recorder, shared, tmp_path, monkeypatch):
    """In a forked child what the parent was running is the parent's: there a task counts by itself."""
    other = recorder_at(str(tmp_path / "other"))
    try:
        with background_task("parent's"):
            monkeypatch.setattr(agent, "recorders", lambda: [other])
            monkeypatch.setattr(agent, "any_agent", lambda: Source(other))
            with background_task("child's"):
                pass
        assert runs(str(tmp_path / "other")) == {("child's", "success"): 1}
    finally:
        other.instance.close()


def test_threads_may_share_one_object(recorder, shared):
    """Runs that overlap in threads are each ended by the thread that began them."""
    shared_task, barrier = background_task("shared"), threading.Barrier(4)

    def work(fails):
        with suppress(ZeroDivisionError), shared_task:
            barrier.wait(30)
            assert 1 / (not fails)

    threads = [threading.Thread(target=work, args=(number % 2,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert runs(shared) == {("shared", "success"): 2, ("shared", "failure"): 2}


def test_components_and_callers_are_told_by_task(recorder, shared):
    """What a task calls is in its own breakdown, which adds up to its duration, and it is the caller."""
    statement = Operation("SELECT goods", DB, schema.DB_DURATION, (("db.operation.name", "SELECT"),))
    with background_task("report") as transaction, span("prepare"):
        tracing.end(tracing.begin(transaction, statement))
        tracing.end(tracing.begin(transaction, Operation("GET", CACHE)))
    components = values(shared, schema.COMPONENT_TIME)
    assert {names[1] for names in components} == {"report"}
    assert {names[0] for names in components} == {"cache", "db", "python"}
    (point,) = histograms(merge(shared), schema.TASK_DURATION)
    assert sum(components.values()) == pytest.approx(point.sum)
    ((names, calls),) = family(merge(shared), schema.CALLER_CALLS).items()
    assert (dict(names)["task"], calls) == ("report", 1)


def test_waiting_and_running_are_told_by_task(recorder, shared):
    """How long a task had been in a queue is a histogram of its own; those that run are no active requests."""
    run = background.begin("report", 40 * MILLISECOND)
    assert values(shared, schema.ACTIVE_TASKS) == {("report",): 1}
    assert not any(values(shared, schema.ACTIVE_REQUESTS).values())
    background.end(run, background.RETRY)
    assert values(shared, schema.ACTIVE_TASKS) == {("report",): 0}
    (point,) = histograms(merge(shared), schema.TASK_QUEUE_TIME)
    assert (dict(point.attributes), point.count, point.sum) == ({"task": "report"}, 1, 0.04)
    assert runs(shared) == {("report", "retry"): 1}


def test_beyond_the_limit_tasks_stay_tasks(recorder, shared):
    """Names made up anew each time end in `(other)`, by outcome, and are never counted as requests."""
    for number in range(300):
        background.end(background.begin(f"job {number}"), background.SUCCESS if number % 3 else background.FAILURE)
    counted = runs(shared)
    assert sum(counted.values()) == 300
    assert sum(count for (_, outcome), count in counted.items() if outcome == "failure") == 100
    assert len(counted) < 25
    assert requests(shared) == 0


CHILDREN = """
import json, os, signal, sys
from wsgiapm import background_task
from wsgiapm.aggregate.merge import merge
with background_task("parent"):
    pass
for number in range(40):
    pid = os.fork()
    if not pid:
        with background_task("job"):
            if number == 39:
                os.kill(os.getpid(), signal.SIGKILL)
        os._exit(0)
    os.waitpid(pid, 0)
print(json.dumps(sorted(os.listdir(os.environ["WSGIAPM_SHARED_DIR"]))))
"""


def test_a_process_forked_for_each_task_leaves_nothing_behind(shared):
    """The first task starts the agent; children that end without a word are counted to the last, in two segments."""
    environment = {**os.environ, "WSGIAPM_SHARED_DIR": shared, "WSGIAPM_ENDPOINT": ""}
    ran = subprocess.run(
        [sys.executable, "-c", CHILDREN], env=environment, check=True, capture_output=True, timeout=120
    )
    segments = [name for name in json.loads(ran.stdout) if name.startswith("segment")]
    assert segments == ["segment-0", "segment-1"]
    assert runs(shared) == {("parent", "success"): 1, ("job", "success"): 39}
    assert values(shared, schema.ABORTED_TASKS) == {("killed", "job"): 1}
    assert not any(values(shared, schema.ABORTED_REQUESTS).values())


def test_what_was_killed_is_counted_by_who_comes_next(shared):
    """The task a process died in is aborted under its own name, before and after its segment is adopted."""
    pid = os.fork()
    if not pid:
        try:
            recorder = recorder_at(shared)
            agent.any_agent = lambda: Source(recorder)
            agent.recorders = lambda: [recorder]
            background.begin("job")
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
    assert values(shared, schema.ABORTED_TASKS) == {("killed", "job"): 1}
    recorder_at(shared).instance.close()
    assert values(shared, schema.ABORTED_TASKS) == {("killed", "job"): 1}
    assert not any(values(shared, schema.ABORTED_REQUESTS).values())
