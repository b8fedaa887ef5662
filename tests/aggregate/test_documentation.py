# SPDX-License-Identifier: Apache-2.0
"""docs/shared-memory.md: what it says about the format is so, and enough to read and write it without our code.

`python -m tests.aggregate.test_documentation` writes the parts between markers that are made from the code.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import re
import signal
import struct
import time
from typing import Any

import pytest

from tests.aggregate.counting import (
    APDEX_T,
    MILLISECOND,
    aborted,
    by_route,
    die,
    fork,
    in_flight,
    join_patiently,
    record,
    recorder_at,
    wait,
)
from wsgiapm import places, recorder
from wsgiapm.aggregate import catalogue, histogram, index, journal, layout, schema
from wsgiapm.aggregate.budget import DEFAULT_BUDGET
from wsgiapm.aggregate.merge import merge
from wsgiapm.doctor.catalogue import CATALOGUE

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
PAGE = os.path.join(ROOT, "docs", "shared-memory.md")


def page() -> str:
    """The page as it is."""
    with open(PAGE, encoding="utf-8") as text:
        return text.read()


def markers(part: str) -> tuple[str, str]:
    """The lines around a part that is made from the code."""
    return f"<!-- {part}: made by python -m tests.aggregate.test_documentation -->\n", f"<!-- end of {part} -->\n"


def format_text() -> str:
    """The docstring of `layout` as Markdown: its titles are headings, its tables stay as they are."""
    assert layout.__doc__ is not None
    text = layout.__doc__.partition("\n\n")[2]
    text = re.sub(r"^(\S+)\n-+$", r"### \1\n", text, flags=re.MULTILINE)
    text = re.sub(r"^::$", "The file:", text, flags=re.MULTILINE)
    return text.replace("::\n", ":\n").strip() + "\n"


def cells_text() -> str:
    """The first bounds, and some of the blocks of the table of the default Apdex T."""
    table = histogram.table(APDEX_T)
    lines = [f"The first bounds are {', '.join(map(str, table.uppers[:10]))} ns.", ""]
    lines += ["| block | upper bounds, in nanoseconds | number of its first cell |", "|---:|---|---:|"]
    for block in (0, 1, 2, 11, 20, 21, 37, 38):
        first, size = table.first[block], table.sizes[block]
        uppers = ", ".join(map(str, table.uppers[first : first + size]))
        lines.append(f"| {block} | {uppers or 'none: everything above'} | {first} |")
    return "\n".join(lines) + "\n"


def limits_text() -> str:
    """Every limit of the files and of what is kept in memory for them."""
    limits = {
        "processes at once": f"{layout.MAX_SEGMENTS:,}",
        "requests in flight with a row, each process": f"{layout.ROWS:,}",
        "a segment without a chunk": f"{layout.allocated_size(0) // 1024} KiB; {layout.CELLS_OFFSET // 1024} KiB with all rows",
        "a chunk, the step in which segments grow": f"{layout.CHUNK_BYTES // 1024} KiB, {layout.CHUNK_CELLS:,} cells",
        "all files together, `shared_max_bytes`": f"{DEFAULT_BUDGET // 2**20} MiB, or half of what is free",
        "series, `max_series`": f"2,000, and {recorder._OTHER_SERIES} of `(other)`",
        "names of requests in flight": "twice `max_series`",
        "a record of the index": f"{index._LONGEST:,} bytes",
        "paths a process remembers the route of": f"{places.PATHS_AT_MOST:,}",
        "a journal": f"{(layout.PAGE + journal.CAPACITY) // 1024} KiB",
        "all journals together": "a sixteenth of `shared_max_bytes`",
        "events a process keeps while it cannot write them": f"{journal._PENDING_AT_MOST}, and "
        f"{journal._PENDING_BYTES_AT_MOST // 1024} KiB",
        "examples of what went to `(other)`": f"{catalogue.EXAMPLES_AT_MOST}",
    }
    return "| what | at most |\n|---|---|\n" + "".join(f"| {what} | {most} |\n" for what, most in limits.items())


MADE = {"format": format_text, "cells": cells_text, "limits": limits_text}


@pytest.mark.parametrize("part", MADE)
def test_what_is_made_from_the_code_is_current(part):
    """`python -m tests.aggregate.test_documentation` writes it."""
    begin, end = markers(part)

    assert page().count(begin) == page().count(end) == 1
    assert page().partition(begin)[2].partition(end)[0] == MADE[part]()


def examples() -> dict[str, Any]:
    """What the programs on the page define, each of which stands behind its name."""
    found: dict[str, Any] = {}
    for name in ("cells.py", "read.py"):
        (code,) = re.findall(rf"`{name}`:\n\n```python\n(.*?)^```$", page(), re.MULTILINE | re.DOTALL)
        exec(code, found)
    return found


@pytest.mark.parametrize("apdex_t", [APDEX_T, 1, 953, 3 * 10**8, 123_456_789, 10**14, 2**63])
def test_the_bounds_can_be_computed_as_the_page_says(apdex_t):
    """The program on the page gives the same table, for every Apdex T."""
    table = histogram.table(apdex_t)

    assert examples()["cell_table"](apdex_t) == (list(table.uppers), list(table.octaves))


def test_a_directory_can_be_read_as_the_page_says(shared):
    """The program on the page, which knows nothing of our code, counts the same requests as we do."""
    workers = [recorder_at(shared) for _ in range(3)]
    for number in range(600):
        record(workers[number % 3], f"/{'abcdefg'[number % 7]}", 1 << number % 40, (200, 302, 500)[number % 3])
    with open(f"{shared}/segment-7", "wb") as stranger:
        stranger.write(b"no segment of this instance".ljust(layout.segment_size(1), b"\1"))
    counted = examples()["count_requests"](shared)
    os.unlink(f"{shared}/segment-7")

    assert counted == by_route(merge(shared))
    for worker in workers:
        worker.instance.close()


class Foreigner:
    """A writer that has read the page and nothing else: it finds a free segment, claims it and counts there."""

    def __init__(self, path: str) -> None:
        self.index = examples()["read_index"](path)
        self.locks = os.open(f"{path}/locks", os.O_RDWR)
        number = next(number for number in range(1024) if self.lock(16 + number))
        chunks = len(self.index["chunks"])
        descriptor = os.open(f"{path}/segment-{number}", os.O_RDWR | os.O_CREAT, 0o600)
        os.posix_fallocate(descriptor, 0, 69632 + 65536 * chunks)
        self.words = memoryview(mmap.mmap(descriptor, 69632 + 65536 * chunks)).cast("Q")
        os.close(descriptor)
        self.claim(number)

    def lock(self, byte: int) -> bool:
        """Try to lock a byte."""
        try:
            fcntl.fcntl(self.locks, fcntl.F_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0))
        except OSError:
            return False
        return True

    def claim(self, number: int) -> None:
        """Write the header; the magic last."""
        with open("/proc/self/stat", encoding="ascii") as stat:
            ticks = int(stat.read().rpartition(")")[2].split()[19])
        epoch = struct.unpack("<QQ", self.index["epoch"])
        words = self.words
        words[8], words[9], words[10] = os.getpid(), ticks, os.stat("/proc/self/ns/pid").st_ino
        words[11], words[12] = time.monotonic_ns(), time.time_ns()
        words[14] = words[32]
        words[13] += 2
        words[4] = number
        words[2], words[3] = epoch
        words[1] = 1
        words[0] = int.from_bytes(b"wsgiapmS", "little")

    def begin(self, row: int, name: str) -> None:
        """Begin a GET."""
        self.words[32] += 1
        at = 512 + 4 * row
        self.words[at + 1] = self.index["names"].index(name) << 32 | 1 << 8 | 1
        self.words[at] = time.monotonic_ns()

    def end(self, row: int, route: str, octave: int, cell: int, duration: int) -> None:
        """End it in a cell of a block that has been handed out."""
        at = 512 + 4 * row
        self.words[at + 1] += 1
        series, head = next(
            (number, address)
            for number, (kind, address, (_, attributes)) in enumerate(self.index["series"])
            if kind == 3 and attributes["http.route"] == route
        )
        (address,) = [b[3] for b in self.index["blocks"] if b[0] == octave and b[2] == series]
        self.words[8704 + head] += duration
        self.words[8704 + address + cell] += 1
        self.words[at] = 0


def test_a_segment_can_be_written_as_the_page_says(shared):
    """What a foreigner counts is merged with ours; when it is killed, what it had in flight is aborted on its route."""
    ours = recorder_at(shared)
    record(ours, "/a", 5 * MILLISECOND)
    told, telling = os.pipe()
    go_on, going_on = os.pipe()

    def visit():
        foreigner = Foreigner(shared)
        foreigner.begin(0, "/a")
        foreigner.begin(1, "/a")
        os.write(telling, b"x")
        os.read(go_on, 1)
        foreigner.end(0, "/a", 13, 0, 5 * MILLISECOND)
        die()

    pid = fork(visit)
    os.close(telling)
    assert os.read(told, 1)
    assert in_flight(merge(shared)) == 2
    os.write(going_on, b"x")
    assert wait(pid) == -signal.SIGKILL
    for descriptor in (told, go_on, going_on):
        os.close(descriptor)
    assert (by_route(merge(shared)), aborted(merge(shared))) == ({"/a": 2}, {"/a": 1})
    heir = join_patiently(shared)
    assert heir.segment.number == 1
    assert (by_route(merge(shared)), aborted(merge(shared))) == ({"/a": 2}, {"/a": 1})
    assert in_flight(merge(shared)) == 0
    heir.close()
    ours.instance.close()


def test_methods_and_schemes_are_numbered_as_the_page_says():
    """The numbers in the rows are those of `schema`."""
    methods = ", ".join(f"{code} {name}" for code, name in enumerate(schema.METHODS) if code)
    text = " ".join((layout.__doc__ or "").split())

    assert f"Methods: 0 any other, {methods}. Schemes: 0 {schema.SCHEMES[0]}, 1 {schema.SCHEMES[1]}." in text


def test_every_finding_is_explained():
    """Each thing the doctor may find about the directory has its line on the page, and no other is named there."""
    explained = re.findall(r"^\| `([a-z-]+)` \|", page().partition("| finding |")[2].partition("\n\n")[0], re.MULTILINE)

    assert sorted(explained) == sorted(name for name, entry in CATALOGUE.items() if entry.area == "directory")


def test_the_page_is_linked():
    """docs/index.md leads to it, and what it leads to exists."""
    with open(os.path.join(ROOT, "docs", "index.md"), encoding="utf-8") as contents:
        assert "(shared-memory.md)" in contents.read()
    for target in re.findall(r"\]\(([^)#]+)\)", page()):
        assert os.path.exists(os.path.join(ROOT, "docs", target)), target


def write() -> None:
    """Write the parts that are made from the code."""
    text = page()
    for part, make in MADE.items():
        begin, end = markers(part)
        before, _, rest = text.partition(begin)
        text = before + begin + make() + end + rest.partition(end)[2]
    with open(PAGE, "w", encoding="utf-8") as target:
        target.write(text)


if __name__ == "__main__":
    write()
