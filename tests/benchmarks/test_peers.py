# SPDX-License-Identifier: Apache-2.0
"""The peers of the benchmarks, as far as they are at hand without their own environments."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmarks import environments, peers

EVERY = (peers.BARE, peers.PASS_THROUGH, peers.OURS, peers.PROMETHEUS, *peers.AGENTS)
CODE = """
import sys
from benchmarks.apps import hello, make_environ, serve
from benchmarks.peers import load
peer = load(sys.argv[1])
serve(peer.wrap(hello), 7, make_environ())
print(peer.recorded())
"""


@pytest.mark.parametrize("peer", EVERY, ids=lambda peer: peer.name)
def test_each_peer_has_a_module_and_an_environment_with_its_package(peer):
    """A name in a table is one that is really installed, in a fixed version."""
    assert os.path.exists(os.path.join(os.path.dirname(peers.__file__), f"{peer.name}.py"))

    assert (
        any(wanted.startswith(f"{peer.distribution}=") for wanted in environments.requirements(peer.environment))
        or not peer.distribution
    )


@pytest.mark.parametrize(("name", "recorded"), [("bare", 0), ("pass_through", 0), ("ours", 7), ("prometheus", 7)])
def test_a_peer_tells_how_many_requests_it_has_recorded(name, recorded, tmp_path):
    """What the benchmarks verify before and after: a peer that records nothing would look cheap."""
    environment = environments.clean_environment(BENCH_DIRECTORY=str(tmp_path))

    done = subprocess.run(
        [sys.executable, "-c", CODE, name],
        check=True,
        capture_output=True,
        text=True,
        cwd=environments.ROOT,
        env=environment,
    )

    assert int(done.stdout) == recorded


@pytest.mark.parametrize("peer", [peers.OURS, *peers.AGENTS], ids=lambda peer: peer.name)
def test_a_peer_that_records_queries_tells_how_many(peer):
    """What `make bench-sql` verifies before it measures; Sentry has no integration for SQLite."""
    with open(os.path.join(os.path.dirname(peers.__file__), f"{peer.name}.py"), encoding="utf-8") as file:
        counts = "def recorded_queries()" in file.read()

    assert counts is (peer.name != "sentry")


def test_we_record_every_query(tmp_path):
    """Of the app that is measured."""
    code = (
        CODE.replace("hello,", "Queries,")
        .replace("(hello)", "(Queries(10))")
        .replace("recorded()", "recorded_queries()")
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "ours"],
        check=True,
        capture_output=True,
        text=True,
        cwd=environments.ROOT,
        env=environments.clean_environment(BENCH_DIRECTORY=str(tmp_path)),
    )

    # Besides the queries: connecting, making the table and filling it.
    assert int(done.stdout) == 7 * 10 + 3
