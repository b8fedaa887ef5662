# SPDX-License-Identifier: Apache-2.0
"""The line that says where the counters go: once, whole, and without a secret."""

from __future__ import annotations

import os

import pytest

from wsgiapm.config import resolve
from wsgiapm.joining import join_or_count_alone


@pytest.fixture
def begin(shared, capfd):
    """`begin(**settings)` starts to count as a worker does, and returns what it writes into the log."""
    instances = []

    def start(**settings):
        resolved = resolve({"shared_dir": shared, "app_name": "shop", **settings}, environ={})
        instances.append(join_or_count_alone(resolved.settings, lambda _pid: None))
        return [line.partition("wsgiapm: ")[2] for line in capfd.readouterr().err.splitlines()]

    yield start
    for instance in instances:
        instance.close()


@pytest.mark.parametrize(
    ("settings", "end"),
    [
        ({}, "by a thread of one worker to http://127.0.0.1:4318, without a token"),
        ({"license_key": "hush-1"}, "to http://127.0.0.1:4318, with license_key"),
        (
            {"license_key": "hush-1", "endpoint": "https://apm.example.com"},
            "to https://apm.example.com, with license_key",
        ),
        (
            {"license_key": "hush-1", "endpoint": "http://apm.example.com"},
            "over plain http it goes to this machine only",
        ),
        ({"headers": "Authorization=hush-2"}, "to http://127.0.0.1:4318, with the Authorization of headers"),
        (
            {"harvest_mode": "external", "proxy": "http://me:hush-3@p:1"},
            "by wsgiapm harvest to http://127.0.0.1:4318, without a token",
        ),
        ({"endpoint": ""}, "and uploaded nowhere (endpoint is empty); wsgiapm metrics shows it"),
    ],
)
def test_it_says_where_and_by_whom(begin, shared, settings, end):
    """The directory, the endpoint, who uploads, and whether with a token; never the token."""
    (line,) = begin(**settings)
    assert line.startswith(f"shop is counted in {shared} and uploaded ")
    assert line.endswith(end)
    assert "hush" not in line


def test_the_token_of_the_server_beside(begin, tmp_path):
    """It is found without being set, and told apart."""
    state = tmp_path / "state" / "wsgiapm"
    state.mkdir(parents=True)
    (state / "ingest-token").write_text("hush\n")
    os.chmod(state / "ingest-token", 0o600)
    (line,) = begin()
    assert line.endswith("with the token that wsgiapm serve made")


def test_it_is_said_once(begin):
    """Neither by other workers nor by those that come after them, unless something is different."""
    assert len(begin()) == 1
    assert begin() == []


def test_workers_that_are_restarted_do_not_say_it_again(shared, capfd):
    """What was said stands in the shared directory."""

    def work(**settings):
        resolved = resolve({"shared_dir": shared, "app_name": "shop", **settings}, environ={})
        join_or_count_alone(resolved.settings, lambda _pid: None).close()
        return capfd.readouterr().err.count(" is counted in ")

    assert [work(), work(), work()] == [1, 0, 0]
    assert [work(endpoint=""), work(endpoint="")] == [1, 0]
