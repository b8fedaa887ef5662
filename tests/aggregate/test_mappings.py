# SPDX-License-Identifier: Apache-2.0
"""Who counts, as the system shows it: counter files that are mapped, and pages that say that one counts on its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from wsgiapm.aggregate.mappings import Counting, find_counting, read_mappings

JOIN = """
import sys
from wsgiapm.aggregate.index_file import Identity
from wsgiapm.aggregate.instance import join
from wsgiapm.aggregate.solitude import announce
{step}
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def start() -> Callable[[str], subprocess.Popen[bytes]]:
    """`start(code)` has a process run it and wait."""
    started = []

    def run(step: str) -> subprocess.Popen[bytes]:
        program = [sys.executable, "-c", JOIN.format(step=step)]
        process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process

    yield run
    for process in started:
        process.communicate(timeout=60)


def test_a_process_that_counts(start: Callable[[str], subprocess.Popen[bytes]], tmp_path: Path) -> None:
    """It is found with its directory, whatever is in its name, also when the files are gone."""
    shared = tmp_path / "a b\n(deleted) ä"
    process = start(f"instance = join({str(shared)!r}, Identity('x')); instance.begin(10**9)")

    assert read_mappings(process.pid) == [Counting(process.pid, str(shared))]
    assert Counting(process.pid, str(shared)) in list(find_counting())
    shutil.rmtree(shared)
    assert read_mappings(process.pid) == [Counting(process.pid, str(shared), removed=True)]


def test_a_process_that_counts_alone(start: Callable[[str], subprocess.Popen[bytes]]) -> None:
    """It is found with its reason, cut where the kernel cuts, and never with half a character."""
    process = start("announce('no room: ' + 'ä' * 300)")

    (found,) = read_mappings(process.pid) or ()

    assert found.alone.startswith("no room: ää")
    assert set(found.alone.removeprefix("no room: ")) == {"ä"}


def test_a_child_does_not_say_it_again(start: Callable[[str], subprocess.Popen[bytes]]) -> None:
    """What a fork inherits is its parent's."""
    process = start("announce('x')\nimport os\nif os.fork() == 0:\n    import time; time.sleep(3); os._exit(0)")
    with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as children:
        (child,) = map(int, children.read().split())

    assert [one.alone for one in read_mappings(process.pid) or ()] == ["x"]
    assert read_mappings(child) == []


def test_who_does_not_count_or_has_ended() -> None:
    """An empty list is not the same as nothing to be known."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as other:
        assert read_mappings(other.pid) == []
    assert read_mappings(2**22 + 1) is None
