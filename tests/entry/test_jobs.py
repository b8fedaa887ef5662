# SPDX-License-Identifier: Apache-2.0
"""Workers of job queues started by `wsgiapm run-program`, on a real Redis: each job is counted once, as what it was."""

from __future__ import annotations

import os
import sys

import pytest

from tests.aggregate.counting import family, histograms
from tests.caches import redis_server
from tests.entry.conftest import APPS, BIN
from wsgiapm.aggregate import schema
from wsgiapm.aggregate.merge import merge
from wsgiapm.errors import SharedDirectoryError

__all__ = ["redis_server"]

RUN = [sys.executable, "-m", "wsgiapm", "run-program"]
JOBS = 12


@pytest.fixture
def queue(redis_server, monkeypatch):
    """A queue of RQ, and the address of its Redis."""
    import redis
    import rq

    monkeypatch.syspath_prepend(APPS)
    with redis.Redis(redis_server.host, redis_server.port) as connection:
        connection.flushall()
        yield rq.Queue(connection=connection), f"redis://{redis_server.host}:{redis_server.port}/0"


def runs(counts):
    """How many runs have ended, by task and outcome."""
    try:
        points = histograms(merge(counts.path), schema.TASK_DURATION)
    except SharedDirectoryError:  # nobody has begun yet
        return {}
    return {(dict(point.attributes)["task"], dict(point.attributes)["outcome"]): point.count for point in points}


@pytest.mark.parametrize("kind", ["rq.Worker", "queued.Worker", "rq.SimpleWorker"])
def test_jobs_of_rq_are_counted_exactly(process, settings, counts, queue, kind):
    """By function and outcome, with the time they waited; a process for each job leaves no file of its own."""
    from rq import Retry

    jobs, url = queue
    for number in range(JOBS):
        jobs.enqueue("queued.add", number, 1)
    jobs.enqueue("queued.fail")
    jobs.enqueue("queued.fail", retry=Retry(max=2))
    jobs.enqueue("queued.ask_again")
    jobs.enqueue("queued.missing")
    running = process([*RUN, "rq", "worker", "--burst", "--worker-class", kind, "--url", url], settings, APPS)
    assert running.popen.wait(120) == 0, running.output()
    assert runs(counts) == {
        ("queued.add", "success"): JOBS,
        ("queued.fail", "failure"): 2,
        ("queued.fail", "retry"): 2,
        ("queued.ask_again", "retry"): 1,
        ("queued.ask_again", "failure"): 1,
        ("queued.missing", "failure"): 1,
    }
    waits = histograms(merge(counts.path), schema.TASK_QUEUE_TIME)
    assert sum(point.count for point in waits) == sum(runs(counts).values())
    assert all(0 < point.sum < 600 for point in waits)
    segments = [name for name in os.listdir(counts.path) if name.startswith("segment")]
    assert len(segments) <= 2


def test_a_killed_job_of_rq_is_aborted(process, settings, counts, queue):
    """Its process tells nobody; whoever comes next does, and the worker goes on."""
    jobs, url = queue
    jobs.enqueue("queued.die")
    jobs.enqueue("queued.add", 1, 2)
    running = process([*RUN, "rq", "worker", "--burst", "--url", url], settings, APPS)
    assert running.popen.wait(120) == 0, running.output()
    assert runs(counts) == {("queued.add", "success"): 1}
    ((names, number),) = family(merge(counts.path), schema.ABORTED_TASKS).items()
    assert (dict(names), number) == ({"task": "queued.die", "reason": "killed"}, 1)


def test_an_instrument_that_is_off_records_no_job(process, settings, counts, queue):
    """`disabled_instruments=rq` leaves its workers alone."""
    jobs, url = queue
    jobs.enqueue("queued.add", 1, 2)
    environment = {**settings, "WSGIAPM_DISABLED_INSTRUMENTS": "rq"}
    running = process([*RUN, "rq", "worker", "--burst", "--url", url], environment, APPS)
    assert running.popen.wait(120) == 0, running.output()
    assert not os.path.exists(counts.path)


@pytest.mark.parametrize("pool", [["prefork", "2"], ["threads", "3"], ["solo", "1"]], ids=lambda pool: pool[0])
def test_tasks_of_celery_are_counted_exactly(process, settings, counts, queue, wait_until, pool):
    """By name and outcome, in each kind of pool."""
    _, url = queue
    environment = {**settings, "BROKER": url}
    words = ["celery", "-A", "celeried", "worker", f"--pool={pool[0]}", f"--concurrency={pool[1]}", "-l", "WARNING"]
    running = process([*RUN, *words], environment, APPS)
    script = "import celeried; [celeried.add.delay(i, 1) for i in range(9)]; celeried.fail.delay(); celeried.try_again.delay()"
    sender = process([sys.executable, "-c", script], environment, APPS)
    assert sender.popen.wait(60) == 0, sender.output()
    expected = {
        ("celeried.add", "success"): 9,
        ("celeried.fail", "failure"): 1,
        ("celeried.try_again", "retry"): 1,
        ("celeried.try_again", "failure"): 1,
    }
    wait_until(lambda: sum(runs(counts).values()) >= 12, "all have run", 90)
    assert runs(counts) == expected
    assert running.stop(timeout=60) == 0
    assert runs(counts) == expected


def test_the_programs_are_there():
    """The tests above run what is installed beside this interpreter."""
    assert {"rq", "celery"} <= set(os.listdir(BIN))
