# SPDX-License-Identifier: Apache-2.0
"""Workers: what each used over time, and what is known of each."""

from __future__ import annotations

import pytest

from tests.collector.messages import LogMessage, Message
from tests.report.conftest import NOW
from wsgiapm.collector.events import keep_events
from wsgiapm.collector.ingest import ingest

MEBIBYTE = 1 << 20


def report(site, time, workers, *, uid="one", **identity):
    """Report {worker: (requests, CPU seconds, bytes or None)} since NOW - 5."""
    message = Message(start=NOW - 5, time=time, uid=uid, **identity)
    for worker, (requests, seconds, memory) in workers.items():
        message.sum(requests, name="wsgiapm.worker.requests", worker=worker)
        message.sum(float(seconds), name="wsgiapm.worker.cpu.time", unit="s", worker=worker)
        if memory is not None:
            message.gauge(memory, name="wsgiapm.worker.memory", unit="By", worker=worker)
    site.take(message)


def points(site, metric, **parameters):
    """Return {t: (values, late)} of a chart."""
    found = site.get("timeseries", metric=metric, app="shop", **parameters)
    return {point["t"]: (point["values"], point["late"]) for point in found["points"]}


@pytest.fixture
def site(site):
    """A site with two workers that reported three times; the second one died before the last report."""
    report(site, NOW, {0: (10, 5, 100 * MEBIBYTE), 1: (1, 0.5, 50 * MEBIBYTE)})
    report(site, NOW + 10, {0: (30, 9, 120 * MEBIBYTE), 1: (3, 0.5, 60 * MEBIBYTE)})
    report(site, NOW + 20, {0: (60, 19, 130 * MEBIBYTE), 1: (3, 0.5, None)})
    site.now = NOW + 21
    return site


def test_cpu(site):
    """The share of one core in each slot; who used none has no value."""
    found = points(site, "cpu")

    assert found[NOW] == ({"total": 0.55, "0": 0.5, "1": 0.05}, False)
    assert found[NOW + 10] == ({"total": 0.4, "0": 0.4}, False)
    assert found[NOW + 20] == ({"total": 1.0, "0": 1.0}, False)
    assert found[NOW - 10] == ({"total": None}, False)


def test_memory(site):
    """Bytes; a worker that is no more has none."""
    found = points(site, "memory")

    assert found[NOW + 10][0] == {"total": 180 * MEBIBYTE, "0": 120 * MEBIBYTE, "1": 60 * MEBIBYTE}
    assert found[NOW + 20][0] == {"total": 130 * MEBIBYTE, "0": 130 * MEBIBYTE}
    assert found[NOW - 10][0] == {"total": None}


def test_a_wide_slot_has_the_average_of_its_memory(site):
    """Not the sum of its points."""
    site.now = NOW + 86_400

    found = points(site, "memory", from_=NOW - 7200, to=NOW + 7200)

    (values,) = [values for values, _ in found.values() if values["total"] is not None]
    assert values["0"] == round(350 * MEBIBYTE / 3)
    assert values["1"] == 55 * MEBIBYTE


def test_instances_are_told_apart(site):
    """Each counts its workers from 0."""
    report(site, NOW + 20, {0: (7, 2, 10 * MEBIBYTE)}, uid="two")

    assert points(site, "memory")[NOW + 20][0] == {
        "total": 140 * MEBIBYTE,
        "one/0": 130 * MEBIBYTE,
        "two/0": 10 * MEBIBYTE,
    }
    assert [(worker["instance"], worker["worker"]) for worker in site.get("workers", app="shop")["workers"]] == [
        ("one", 0),
        ("one", 1),
        ("two", 0),
    ]


def test_cpu_time_that_came_late_is_marked(site):
    """Spread over the time it may have been used in."""
    report(site, NOW + 80, {0: (60, 79, None)})
    site.now = NOW + 81

    found = points(site, "cpu")

    assert [t for t in found if found[t][1]] == [NOW + 20 + 10 * i for i in range(6)]
    assert sum(values.get("0", 0) * 10 for values, _ in found.values()) == pytest.approx(79)


def test_workers(site):
    """What each did in the window; null for what nobody tells."""
    first, second = site.get("workers", app="shop")["workers"]

    assert first == {
        "worker": 0,
        "instance": "one",
        "pid": None,
        "state": None,
        "requests": 60,
        "memory": 130 * MEBIBYTE,
        "cpu": round(19 / 1801, 6),
        "growth_per_hour": None,
        "last_seen": NOW + 20,
        "last_exit": {},
    }
    assert (second["requests"], second["memory"], second["last_seen"]) == (3, 60 * MEBIBYTE, NOW + 20)


def live(site, time, pid, state, memory, uptime, *, worker=0):
    """Report what a worker of an agent that tells it says of itself."""
    message = Message(start=NOW - 5, time=time, uid="told")
    message.gauge(pid, name="wsgiapm.worker.pid", unit="{pid}", worker=worker)
    message.gauge(float(uptime), name="wsgiapm.worker.uptime", unit="s", worker=worker)
    message.gauge(memory, name="wsgiapm.worker.memory", unit="By", worker=worker)
    for each in ("starting", "serving", "stuck", "stopping", "ended"):
        message.gauge(int(each == state), name="wsgiapm.worker.state", unit="{worker}", worker=worker, state=each)
    site.take(message)


def told(site):
    """Return the worker that `live` reports of."""
    site.now = NOW + 1000
    (worker,) = [one for one in site.get("workers", app="shop")["workers"] if one["instance"] == "told"]
    return worker


def test_who_a_worker_is_and_how_it_is(site):
    """The newest process id and state; growth only of the process that is there now, after its first minute."""
    for i in range(40):  # grows fast, and is recycled
        live(site, NOW + 10 * i, 4711, "serving", 100 * MEBIBYTE + i * MEBIBYTE, 10 * i)
    assert told(site)["growth_per_hour"] == pytest.approx(360 * MEBIBYTE, rel=0.01)
    live(site, NOW + 400, 4712, "starting", 60 * MEBIBYTE, 0)
    found = told(site)
    assert (found["pid"], found["state"], found["growth_per_hour"]) == (4712, "starting", None)
    for i in range(1, 50):  # the new one warms up, and then grows slowly
        warming_up = min(i, 6) * 10 * MEBIBYTE
        live(site, NOW + 400 + 10 * i, 4712, "serving", 60 * MEBIBYTE + warming_up + i * 1000, 10 * i)
    found = told(site)

    assert (found["pid"], found["state"]) == (4712, "serving")
    assert found["growth_per_hour"] == pytest.approx(360_000, rel=0.01)


def test_the_place_of_a_worker_that_has_ended(site):
    """Has a state, but no process."""
    live(site, NOW, 4711, "serving", 100 * MEBIBYTE, 10)
    message = Message(start=NOW - 5, time=NOW + 10, uid="told")
    for state, value in (("serving", 0), ("ended", 1)):
        message.gauge(value, name="wsgiapm.worker.state", unit="{worker}", worker=0, state=state)
    site.take(message)
    found = told(site)

    assert (found["pid"], found["state"], found["growth_per_hour"]) == (None, "ended", None)


def test_workers_of_a_window(site):
    """Only what they did in it; who did not report in it is not there."""
    (first, second) = site.get("workers", app="shop", from_=NOW + 10, to=NOW + 19)["workers"]

    assert (first["requests"], second["requests"]) == (20, 2)
    assert first["cpu"] == pytest.approx(4 / 9, abs=1e-6)
    assert site.get("workers", app="shop", from_=NOW - 600, to=NOW - 300) == {"workers": []}


def test_workers_agree_with_the_charts(site):
    """The CPU time of a window is the same in both."""
    window = {"from_": NOW - 1000, "to": NOW + 21}

    charted = sum(values["total"] or 0 for values, _ in points(site, "cpu", **window).values()) * 10

    shares = sum(worker["cpu"] for worker in site.get("workers", app="shop", **window)["workers"])
    assert shares * 1021 == pytest.approx(charted, rel=1e-3)


def test_many_workers_are_in_order(site):
    """As numbers; those that somebody else has named come after."""
    report(site, NOW + 20, dict.fromkeys([10, 2, "b", 1], (1, 1, 1)), uid="many")

    found = site.get("workers", app="shop")["workers"]

    assert [worker["worker"] for worker in found if worker["instance"] == "many"] == [1, 2, 10, "b"]


def test_the_last_death_is_told(site):
    """Of the worker of that instance; the newest one."""
    log = LogMessage()
    for time, reason in ((NOW + 5, "killed"), (NOW + 15, "timeout"), (NOW + 10, "killed")):
        attributes = {"process__pid": 42, "wsgiapm__exit": "SIGKILL", "wsgiapm__reason": reason}
        log.record("wsgiapm.worker.died", body="worker 1 died", time=time, worker=1, **attributes)
    log.record("something.else", time=NOW + 16, worker=1)
    assert keep_events(site.store, log.request, (NOW + 20) * 10**9).count == 0

    first, second = site.get("workers", app="shop")["workers"]

    assert first["last_exit"] == {}
    assert second["last_exit"] == {
        "t": NOW + 15,
        "pid": 42,
        "exit": "SIGKILL",
        "reason": "timeout",
        "message": "worker 1 died",
    }


def test_what_others_call_a_worker_does_no_harm(site):
    """A route on a worker's metric, memory as a sum, a death that tells nothing."""
    message = Message(start=NOW - 5, time=NOW + 20, uid="odd")
    message.sum(5, name="wsgiapm.worker.requests", http__route="/x/")
    message.sum(5, name="wsgiapm.worker.memory", unit="By")
    assert ingest(site.store, message.request, (NOW + 20) * 10**9).count == 0
    log = LogMessage(uid="odd").record("wsgiapm.worker.died")
    log.records[0].attributes.add(key="worker").value.array_value.values.add(int_value=1)
    assert keep_events(site.store, log.request, (NOW + 20) * 10**9).count == 0

    found = site.get("workers", app="shop")["workers"][0]

    assert (found["instance"], found["worker"], found["memory"], found["last_exit"]["pid"]) == ("odd", "", 5, None)


def test_a_transaction_has_no_workers(site):
    """What a worker uses cannot be told apart by transaction."""
    assert points(site, "cpu", transaction="/x/")[NOW] == ({"total": None}, False)
