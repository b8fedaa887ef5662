# SPDX-License-Identifier: Apache-2.0
"""Somebody who has only read docs/shared-memory.md reads what we write, and writes what we read: see foreign.py."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys

from tests.aggregate.counting import (
    aborted,
    by_route,
    family,
    finish,
    histograms,
    in_flight,
    record,
    recorder_at,
    started,
)
from wsgiapm.aggregate import schema
from wsgiapm.aggregate.histogram import classic
from wsgiapm.aggregate.merge import merge

PROGRAM = os.path.join(os.path.dirname(__file__), "foreign.py")


def read(path):
    """What the foreign reader says; it runs without our package in its path."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", PROGRAM, "read", path], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def key(attributes):
    """Attributes as the foreign reader names them."""
    return json.dumps(dict(attributes), sort_keys=True)


def compare(path):
    """Both readers find the same, in every number."""
    theirs, snapshot = read(path), merge(path)
    points = {key(point.attributes): point for point in histograms(snapshot)}

    assert theirs["requests"] == {name: point.count for name, point in points.items()}
    assert theirs["within_1s"] == {
        name: count for name, point in points.items() if (count := classic(point.cells, (1.0,))[0])
    }
    for name, nanoseconds in theirs["seconds_ns"].items():
        assert points[name].sum == nanoseconds / 10**9
    sizes = {
        dict(attributes)[schema.ROUTE]: size for attributes, size in family(snapshot, schema.RESPONSE_SIZE).items()
    }
    assert theirs["bytes"] == sizes
    counters = {
        f"{metric} {key(attributes)}": value
        for metric in (schema.ABORTED_REQUESTS, schema.DROPPED)
        for attributes, value in family(snapshot, metric).items()
    }
    assert theirs["counters"] == counters
    assert theirs["rows"] == in_flight(snapshot)
    assert theirs["begun"] == by_route(snapshot).total() + aborted(snapshot).total() + in_flight(snapshot)
    return theirs


def test_it_knows_nothing_of_ours():
    """It imports nothing but the standard library."""
    with open(PROGRAM, encoding="utf-8") as source:
        tree = ast.parse(source.read())
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}

    assert {str(name).partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_a_foreigner_reads_what_we_write(shared):
    """Several processes, statuses, errors, bytes, aborted requests, what was left out: every total is the same."""
    workers = [recorder_at(shared, max_series=20) for _ in range(3)]
    for number in range(900):
        record(workers[number % 3], f"/{'abcdefg'[number % 7]}", 1 << number % 40, (200, 302, 500, 404)[number % 4])
    transaction = started(workers[0], "/download", "POST", "https")
    transaction.size, transaction.first_byte = 12_345, 1000
    finish(workers[0], transaction, 5000)
    started(workers[1], "/running")
    theirs = compare(shared)

    assert sum(theirs["requests"].values()) == 901
    assert theirs["rows"] == 1
    assert theirs["examples"] == [list(example) for example in workers[0].instance.index.examples] != []
    for worker in workers:
        worker.instance.close()


def test_we_read_what_a_foreigner_writes(shared):
    """It founds the instance, counts, and is killed: its requests are in our sums, what it was at is aborted, we go on there."""
    command = [sys.executable, "-I", "-S", PROGRAM, "write", shared]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as foreigner:
        assert foreigner.stdout is not None
        told = json.loads(foreigner.stdout.readline())
        compare(shared)
        assert in_flight(merge(shared)) == 2
        foreigner.communicate("x")
    assert foreigner.returncode < 0
    snapshot = merge(shared)
    sums = {dict(point.attributes)[schema.ROUTE]: point.sum for point in histograms(snapshot)}

    assert by_route(snapshot) == {"/foreign/<int:pk>/": 150, "/näme": 150}
    assert sums == {"/foreign/<int:pk>/": told["durations"][0] / 10**9, "/näme": told["durations"][1] / 10**9}
    assert sum(family(snapshot, schema.RESPONSE_SIZE).values()) == told["size"]
    assert aborted(snapshot) == {"/foreign/<int:pk>/": 1, "/näme": 1}

    heir = recorder_at(shared)
    assert heir.instance.segment.number == 0
    assert heir.instance.budget is not None
    assert heir.instance.budget.limit == 2**22
    record(heir, "/ours")
    compare(shared)
    assert by_route(merge(shared)) == {"/foreign/<int:pk>/": 150, "/näme": 150, "/ours": 1}
    assert aborted(merge(shared)) == {"/foreign/<int:pk>/": 1, "/näme": 1}
    heir.instance.close()
