# SPDX-License-Identifier: Apache-2.0
"""A reader and a writer of shared directories, made from docs/shared-memory.md alone: nothing of wsgiapm is imported.

python -I foreign.py write PATH     founds an instance there, counts, and is killed with two requests in flight
python -I foreign.py read PATH      writes what all processes have counted, as JSON
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import signal
import struct
import sys
import time
from bisect import bisect_left
from collections import Counter
from math import isqrt
from typing import Any
from zlib import crc32

CLASSIC_MS = (1, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000)
METHODS = ("_OTHER", "GET", "HEAD", "POST")
APDEX_T = 500_000_000
ROUTES = ("/foreign/<int:pk>/", "/näme")


def power(k: int) -> int:
    """2 ** (k / 8) seconds in nanoseconds, rounded down."""
    eighth_power = (10**9) ** 8
    return isqrt(isqrt(isqrt(eighth_power << k if k >= 0 else eighth_power >> -k)))


def cell_table(apdex_t: int) -> tuple[list[int], list[int]]:
    """The upper bounds of the cells and the block of each; the cell after the last bound is the overflow."""
    powers = [power(k) for k in range(-20 * 8, 17 * 8 + 1)]
    apdex = [t for t in (apdex_t, 4 * apdex_t) if powers[0] < t < powers[-1]]
    uppers = sorted({*powers, *(ms * 10**6 for ms in CLASSIC_MS), *apdex})
    return uppers, [*(bisect_left(powers[::8], upper) for upper in uppers), len(powers[::8])]


class Writer:
    """Founds an instance and counts in segment 0 of it."""

    def __init__(self, path: str) -> None:
        os.mkdir(path, 0o700)
        self.path = path
        self.locks = os.open(f"{path}/locks", os.O_RDWR | os.O_CREAT, 0o600)
        self.epoch = os.urandom(16)
        self.uppers, self.octaves = cell_table(APDEX_T)
        self.next_cell = 0
        self.names = 0
        self.lock(0)
        self.found()
        self.add(struct.pack("<BB", 1, 1))
        self.add(struct.pack("<BQ", 2, APDEX_T))
        self.unlock(0)
        self.series: list[int] = []
        self.blocks: dict[tuple[int, int], int] = {}

    def lock(self, byte: int, kind: int = fcntl.F_WRLCK) -> None:
        """Lock a byte."""
        fcntl.fcntl(self.locks, fcntl.F_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, byte, 1, 0))

    def unlock(self, byte: int) -> None:
        """Free it."""
        self.lock(byte, fcntl.F_UNLCK)

    def found(self) -> None:
        """Write the first page of the index."""
        identity = json.dumps({"app": "shop", "environment": "", "instance": ""}).encode()
        budget = struct.pack("<Q", 2**22)
        rest = struct.pack("<Q16s", time.time_ns(), self.epoch)
        page = struct.pack("<8sIIQ", b"wsgiapmI", 1, len(identity), 0) + rest
        page += struct.pack("<II", crc32(rest + identity), crc32(budget)) + budget + identity
        with open(f"{self.path}/index.new", "wb") as file:
            file.write(page.ljust(4096, b"\0"))
        os.rename(f"{self.path}/index.new", f"{self.path}/index")
        self.index = os.open(f"{self.path}/index", os.O_RDWR)
        self.complete = 0

    def add(self, body: bytes) -> None:
        """Append a record; lock 0 is held."""
        record = struct.pack("<II", len(body), crc32(body)) + body
        os.pwrite(self.index, record, 4096 + self.complete)
        self.complete += len(record)
        os.pwrite(self.index, struct.pack("<Q", self.complete), 16)

    def add_name(self, text: str) -> int:
        """Add a name for rows."""
        self.add(b"\5" + text.encode())
        self.names += 1
        return self.names - 1

    def add_series(self, kind: int, metric: str, attributes: dict[str, Any], head_cells: int) -> int:
        """Add a series; returns its number."""
        key = json.dumps([metric, attributes]).encode()
        self.add(struct.pack("<BBBI", 3, kind, head_cells, self.next_cell) + key)
        self.series.append(self.next_cell)
        self.next_cell += head_cells
        return len(self.series) - 1

    def add_block(self, series: int, octave: int) -> None:
        """Hand out the cells of an octave."""
        self.add(struct.pack("<BBHII", 4, octave, 0, series, self.next_cell))
        self.blocks[series, octave] = self.next_cell
        self.next_cell += self.octaves.count(octave)

    def claim(self) -> None:
        """Make segment 0 and write the header; the magic last."""
        self.lock(16)
        descriptor = os.open(f"{self.path}/segment-0", os.O_RDWR | os.O_CREAT, 0o600)
        self.lock(3)
        os.posix_fallocate(descriptor, 0, 8192)
        os.posix_fallocate(descriptor, 69632, 65536)
        self.unlock(3)
        self.words = words = memoryview(mmap.mmap(descriptor, 69632 + 65536)).cast("Q")
        with open("/proc/self/stat", encoding="ascii") as stat:
            words[9] = int(stat.read().rpartition(")")[2].split()[19])
        words[8], words[10] = os.getpid(), os.stat("/proc/self/ns/pid").st_ino
        words[11], words[12], words[14] = time.monotonic_ns(), time.time_ns(), words[32]
        words[13] += 2
        words[4] = 0
        words[2], words[3] = struct.unpack("<QQ", self.epoch)
        words[1] = 1
        words[0] = int.from_bytes(b"wsgiapmS", "little")

    def begin(self, row: int, name: int, method: str) -> None:
        """Begin a transaction."""
        at = 512 + 4 * row
        self.words[32] += 1
        self.words[at + 1] = name << 32 | METHODS.index(method) << 8 | 1
        self.words[at + 2] = 0
        self.words[at] = time.monotonic_ns()

    def end(self, row: int, series: int, duration: int, first_byte: int, size: int) -> None:
        """End it."""
        at, head = 512 + 4 * row, 8704 + self.series[series]
        self.words[at + 1] = self.words[at + 1] & ~0xF | 2
        self.words[head] += first_byte
        self.words[head + 1] += duration - first_byte
        self.words[head + 2] += size
        cell = bisect_left(self.uppers, duration)
        octave = self.octaves[cell]
        self.words[8704 + self.blocks[series, octave] + cell - self.octaves.index(octave)] += 1
        self.words[at] = 0


def write(path: str) -> None:
    """Count 300 requests of two routes and statuses; say what was counted, and be killed in two more."""
    writer = Writer(path)
    writer.lock(0)
    names = [writer.add_name(route) for route in ROUTES]
    series = []
    for route, status, error in ((ROUTES[0], 200, None), (ROUTES[1], 500, "500")):
        attributes = {"http.request.method": "GET", "http.route": route, "http.response.status_code": status}
        attributes |= {"url.scheme": "http"} | ({"error.type": error} if error else {})
        series.append(writer.add_series(3, "http.server.request.duration", attributes, 3))
        for octave in range(39):
            writer.add_block(series[-1], octave)
    writer.unlock(0)
    writer.claim()
    durations = [0, 0]
    for number in range(300):
        which, duration = number % 2, 997 * 3 ** (number % 17)
        writer.begin(0, names[which], "GET")
        writer.end(0, series[which], duration, duration // 2, 10)
        durations[which] += duration
    writer.begin(0, names[0], "POST")
    writer.begin(127, names[1], "GET")
    say({"durations": durations, "size": 3000})
    sys.stdin.read(1)
    os.kill(os.getpid(), signal.SIGKILL)


class Index:
    """The records of an index, by their type."""

    def __init__(self, path: str) -> None:
        self.chunks: list[int] = []
        self.tables: list[tuple[list[int], list[int]]] = []
        self.series: list[tuple[int, int, str, dict[str, Any]]] = []
        self.blocks: list[tuple[int, int, int, int]] = []
        self.examples: list[Any] = []
        with open(f"{path}/index", "rb") as file:
            data = file.read()
        at, end = 4096, 4096 + struct.unpack_from("<Q", data, 16)[0]
        while at < end:
            length, checksum = struct.unpack_from("<II", data, at)
            body = data[at + 8 : at + 8 + length]
            assert crc32(body) == checksum
            at += 8 + length
            self.take(body)

    def take(self, body: bytes) -> None:
        """Take in one record."""
        if body[0] == 1:
            self.chunks.append(body[1])
        elif body[0] == 2:
            self.tables.append(cell_table(struct.unpack_from("<Q", body, 1)[0]))
        elif body[0] == 3:
            kind, _, address = struct.unpack_from("<BBI", body, 1)
            self.series.append((kind, address, *json.loads(body[7:])))
        elif body[0] == 4:
            self.blocks.append(struct.unpack_from("<BHII", body, 1))
        elif body[0] == 6:
            self.examples.append(json.loads(body[1:]))


def read(path: str) -> None:
    """Add up all segments and write the totals by what they are of."""
    index = Index(path)
    sums = [0] * (8192 * len(index.chunks))
    begun = rows = 0
    for name in os.listdir(path):
        if name.startswith("segment-"):
            with open(f"{path}/{name}", "rb") as file:
                words = memoryview(file.read().ljust(69632 + 65536 * len(index.chunks), b"\0")).cast("Q")
            begun += words[32]
            rows += sum(1 for row in range(2048) if words[512 + 4 * row])
            for place, cell in enumerate(words[8704 : 8704 + len(sums)]):
                sums[place] += cell if index.chunks[place // 8192] == 1 else 0
    totals = {**heads(index, sums), **cells(index, sums)}
    say({name: +counts for name, counts in totals.items()} | {"begun": begun, "rows": rows, "examples": index.examples})


def heads(index: Index, sums: list[int]) -> dict[str, Counter[str]]:
    """The counters, and the sums of durations and bytes."""
    found: dict[str, Counter[str]] = {"seconds_ns": Counter(), "bytes": Counter(), "counters": Counter()}
    for kind, address, metric, attributes in index.series:
        key = json.dumps(attributes, sort_keys=True)
        if kind == 1:
            found["counters"][f"{metric} {key}"] += sums[address]
        elif kind == 3:
            found["seconds_ns"][key] += sums[address] + sums[address + 1]
            found["bytes"][attributes["http.route"]] += sums[address + 2]
    return found


def cells(index: Index, sums: list[int]) -> dict[str, Counter[str]]:
    """The requests, and those that took no longer than a second."""
    found: dict[str, Counter[str]] = {"requests": Counter(), "within_1s": Counter()}
    for octave, table, number, address in index.blocks:
        kind, _, _, attributes = index.series[number]
        if kind == 3:
            uppers, octaves = index.tables[table]
            first, size = octaves.index(octave), octaves.count(octave)
            key = json.dumps(attributes, sort_keys=True)
            for place in range(size):
                found["requests"][key] += sums[address + place]
                if first + place < len(uppers) and uppers[first + place] <= 10**9:
                    found["within_1s"][key] += sums[address + place]
    return found


def say(answer: dict[str, Any]) -> None:
    """Write a line of JSON."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](sys.argv[2])
