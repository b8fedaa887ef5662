# SPDX-License-Identifier: Apache-2.0
"""Exit statuses that a parent tells its other children."""

from __future__ import annotations

import os

from wsgiapm.exit_statuses import ExitStatuses


def test_a_child_forked_before_learns_how_its_sibling_ended() -> None:
    """What the parent notes after the fork is seen in the child."""
    statuses = ExitStatuses()
    to_child, from_parent = os.pipe()
    to_parent, from_child = os.pipe()
    pid = os.fork()
    if not pid:
        os.read(to_child, 1)
        os.write(from_child, str(statuses.find(4711)).encode())
        os._exit(0)

    statuses.note(4711, 9)
    os.write(from_parent, b"x")
    seen = os.read(to_parent, 10)
    os.waitpid(pid, 0)
    for descriptor in (to_child, from_parent, to_parent, from_child):
        os.close(descriptor)

    assert seen == b"9"


def test_an_unknown_process_has_no_status() -> None:
    """Neither a pid nobody noted nor pid 0, which marks empty places, has one."""
    statuses = ExitStatuses()

    assert statuses.find(1) is None
    assert statuses.find(0) is None


def test_the_oldest_make_room() -> None:
    """However many processes end, the page keeps the latest."""
    statuses = ExitStatuses()
    for pid in range(1, 1001):
        statuses.note(pid, pid % 256)

    assert statuses.find(1000) == 1000 % 256
    assert statuses.find(1) is None
