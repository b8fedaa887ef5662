# SPDX-License-Identifier: Apache-2.0
"""SIGKILL inside harvesters that settle, merge and upload: what the server has in the end is the independent count."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from random import Random

import pytest
import requests  # noqa: F401  # the harvesters forked from here need not load it each time

from tests.aggregate.counting import aborted, by_route, die, fork, join_patiently, recorder_at, wait
from tests.stress.ledger import SCALE, Ledger, kill_after, request_anything
from wsgiapm import last_harvest, log
from wsgiapm.aggregate.merge import merge
from wsgiapm.config import resolve

HELD = 7


def by_route_of_the_server(server):
    """Finished and aborted requests by route, as the API says."""
    window = {"app": "shop", "from": int(time.time()) - 3600, "to": int(time.time()) + 60}
    rows = server.get("/api/v1/transactions", **window)["transactions"]
    finished = Counter({row["name"]: row["requests"] for row in rows})
    return +finished, +Counter({row["name"]: row["aborted"] for row in rows})


@pytest.mark.timeout(120 + 60 * SCALE)
def test_the_server_ends_up_with_the_independent_count(shared, server, tmp_path):
    """Workers die and harvesters are killed at any instant; nothing is lost on the way, and nothing arrives twice."""
    chance = Random(6)
    kills = 15 * SCALE
    ledger = Ledger(kills + 1)
    settings = resolve(
        {
            "app_name": "shop",
            "endpoint": server.address,
            "license_key": server.ingest_token,
            "shared_dir": shared,
            "harvest_interval": 1,
            "log_file": str(tmp_path / "log"),
        }
    ).settings

    def work(account, seed):
        recorder = recorder_at(shared)
        own = Random(seed)
        for _ in range(50):
            request_anything(account, recorder, own, 10)
        while recorder._waiting:
            recorder.work_off()
        for number in range(HELD):
            account.record(recorder, f"/held{number % 2}", 0, 0, hold=True)
        die()

    def lead():
        log.configure(settings.log_file, "ERROR")
        while True:
            last_harvest.run(shared, settings, once=True)

    join_patiently(shared).close()
    uploads = 0
    for number in range(kills):
        harvesters = [fork(lead) for _ in range(2)]
        assert wait(fork(partial(work, ledger.open(), number))) < 0
        for pid in harvesters:
            kill_after(pid, chance.random() * 0.15)
        uploads += server.get("/api/v1/apps")["apps"] != []
    log.configure(settings.log_file, "ERROR")
    assert last_harvest.run(shared, settings, once=True) == 0

    snapshot = merge(shared)
    finished, lost = by_route_of_the_server(server)
    assert finished == by_route(snapshot)
    assert lost == aborted(snapshot)
    assert (finished.total(), lost.total()) == (ledger.finished, kills * HELD)
    assert ledger.begun == ledger.finished + kills * HELD
    # It is no use to kill harvesters that never get as far as uploading.
    assert uploads > kills // 2
    events = server.get("/api/v1/events", app="shop")["events"]
    assert 0 < len(events) <= kills
    assert len({event["attributes"]["process.pid"] for event in events}) == len(events)
