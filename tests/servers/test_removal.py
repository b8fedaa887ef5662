# SPDX-License-Identifier: Apache-2.0
"""The shared directory is removed under a gunicorn that serves, and at once its workers are exchanged."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

from tests.servers.test_reloads import Load, check, children

WORKERS = ["--worker-class", "gthread", "--workers", "2", "--threads", "4"]
# So that nothing is put back by a round of the old workers: only by their end.
SELDOM = {"WSGIAPM_HARVEST_INTERVAL": "60s"}


def remove_directory(path):
    """As logind does, or an administrator."""
    shutil.rmtree(path, ignore_errors=True)  # some may be made anew meanwhile


def remove_index(path):
    """Only the one file."""
    os.unlink(path / "index")


@pytest.fixture
def serve_on(wait_until):
    """`serve_on(load, more)` returns when so many more requests have been answered."""

    def wait(load, more=60):
        reached = load.total() + more
        wait_until(lambda: load.total() >= reached, f"{more} more requests are answered", 60)

    return wait


@pytest.mark.parametrize(
    ("remove", "hooks"),
    [
        (remove_directory, True),
        pytest.param(remove_directory, False, marks=pytest.mark.long),
        pytest.param(remove_index, True, marks=pytest.mark.long),
    ],
)
def test_hup_right_after_the_removal(remove, hooks, gunicorn, counts, serve_on, ready_workers, wait_until, tmp_path):
    """Old workers end without another round, new ones begin without a directory: all answers are counted, in one instance."""
    running, client = gunicorn(*WORKERS, env=SELDOM, hooks=hooks)
    with Load(client) as load:
        serve_on(load)
        epoch = (tmp_path / "shared" / "index").read_bytes()[24:48]
        before = children(running.pid)
        remove(tmp_path / "shared")
        running.popen.send_signal(signal.SIGHUP)
        wait_until(lambda: not before & children(running.pid), "all old workers are gone", 60)
        wait_until(lambda: ready_workers(running) == 2, "all new ones are there", 60)
        serve_on(load)
    assert running.stop() == 0

    check(counts, load)
    assert (tmp_path / "shared" / "index").read_bytes()[24:48] == epoch
    assert os.listdir(tmp_path / "shared").count("damaged-0") == 0


@pytest.mark.parametrize("removals", [1, pytest.param(5, marks=pytest.mark.long)])
def test_recycling_right_after_the_removal(removals, gunicorn, counts, serve_on, tmp_path):
    """Workers come and go by max_requests all the time, and the directory goes too: all answers are counted."""
    options = ["--max-requests", "600", "--max-requests-jitter", "200"]
    running, client = gunicorn(*WORKERS, *options, env={"WSGIAPM_HARVEST_INTERVAL": "1s"})
    with Load(client) as load:
        serve_on(load, 300)
        epoch = (tmp_path / "shared" / "index").read_bytes()[24:48]
        for _ in range(removals):
            remove_directory(tmp_path / "shared")
            serve_on(load, 1000)
    assert running.stop() == 0

    check(counts, load)
    assert (tmp_path / "shared" / "index").read_bytes()[24:48] == epoch
