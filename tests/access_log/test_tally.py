# SPDX-License-Identifier: Apache-2.0
"""Routes of paths, lines of files, and the memory that a long log takes."""

from __future__ import annotations

import bz2
import gzip
import itertools
import lzma
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from wsgiapm.access_log import route_finder
from wsgiapm.access_log import tally as tally_module
from wsgiapm.access_log.formats import Format
from wsgiapm.access_log.reading import read_lines, rotated_siblings
from wsgiapm.access_log.route_finder import RouteFinder
from wsgiapm.access_log.tally import Tally
from wsgiapm.errors import WsgiapmError

LINE = '1.1.1.1 - - [20/Nov/2026:22:00:00 +0000] "GET {} HTTP/1.1" 200 5 "-" "curl"'


@pytest.mark.parametrize(
    ("path", "status", "route"),
    [
        ("/walks/12/", 200, "/walks/<int:pk>/"),
        ("/walks/twelve/", 200, "/walks/<slug:name>/"),
        ("/walks/new/?x=/walks/1/", 200, "/walks/new/"),
        ("/files/a/b/c.txt", 200, "/files/<path:name>"),
        ("/users/7/posts", 200, "/users/{id}/posts"),
        ("/archive/2026/", 200, r"/^archive/(?P<year>[0-9]{4})/$"),
        ("/orders/1234/lines", 200, "/orders/*"),
        ("/walks/12/", 404, "/walks/<int:pk>/"),
        ("/wp-login.php", 404, "(not found)"),
        ("/caf%C3%A9/1/", 200, "/café/<int:n>/"),
        ("http://example.org/walks/12/", 200, "/walks/<int:pk>/"),
        ("*", 200, "/"),
    ],
)
def test_a_path_finds_its_route(path: str, status: int, route: str) -> None:
    """By the templates that were counted; the narrowest that fits, in the framework's own notation."""
    routes = [
        "/walks/<int:pk>/", "/walks/<slug:name>/", "/walks/new/", "/files/<path:name>", "/users/{id}/posts", "/orders/*",
        r"/^archive/(?P<year>[0-9]{4})/$", "/café/<int:n>/", "/",
    ]  # fmt: skip
    known = [(name, 200) for name in routes] + [("/walks/<int:pk>/", 404), ("(not found)", 404)]

    assert RouteFinder(known).find(path, status) == route


def test_a_status_decides_between_templates() -> None:
    """Of two templates that fit, the one counted with this status is taken, and that they overlap is remembered."""
    finder = RouteFinder([("/<name>/", 200), ("/<other>/", 302)])

    assert (finder.find("/x/", 200), finder.find("/x/", 302)) == ("/<name>/", "/<other>/")
    assert finder.overlaps == {("/<name>/", "/<other>/"), ("/<other>/", "/<name>/")}


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, bz2.compress, lzma.compress], ids=["plain", "gzip", "bz2", "xz"]
)
def test_compressed_files(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """They are told by their content, not by their name."""
    log = tmp_path / "access.log"
    log.write_bytes(pack(b"one\r\n\ntwo\n" + b"x" * 200_000 + b"\nlast"))

    lines = list(read_lines(str(log)))

    assert [line[:4] for line in lines] == ["one", "two", "xxxx", "last"]
    assert len(lines[2]) <= 65_536


def test_a_damaged_file_is_said_to_be_so(tmp_path: Path) -> None:
    """Half a gzip is an error with the file's name, not a smaller log."""
    log = tmp_path / "access.log.gz"
    log.write_bytes(gzip.compress(b"".join(b"%d\n" % number for number in range(10_000)))[:-500])

    with pytest.raises(WsgiapmError, match="is damaged"):
        list(read_lines(str(log)))


def test_rotated_files_are_found(tmp_path: Path) -> None:
    """Those of logrotate, by number or by date, and no other log."""
    for name in (
        "access.log",
        "access.log.1",
        "access.log.2.gz",
        "access.log-20261101.gz",
        "access-2.log",
        "error.log",
    ):
        (tmp_path / name).touch()

    found = [Path(name).name for name in rotated_siblings(str(tmp_path / "access.log"))]

    assert found == ["access-2.log", "access.log-20261101.gz", "access.log.1", "access.log.2.gz"]


def test_a_long_log_takes_no_more_memory_than_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are forgotten once they are counted, and so are paths beyond what is worth to be remembered."""
    monkeypatch.setattr(route_finder, "_REMEMBERED", 1000)
    monkeypatch.setattr(tally_module, "_ROUTES_AT_MOST", 1000)

    def peak(lines: int) -> int:
        tally = Tally(RouteFinder([("/walks/<int:pk>/", 200)]))
        tracemalloc.start()
        tally.add((LINE.format(f"/walks/{n}/" if n % 2 else f"/x{n}/y") for n in range(lines)), Format())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert sum(tally.counts.values()) == lines
        return peak

    peak(1000)  # whatever is made once
    assert peak(15_000) < peak(5_000) + 200_000


def test_a_health_check_in_front_is_explained() -> None:
    """Requests of a prober to a route that we have never counted are kept apart."""
    tally = Tally(RouteFinder([]))
    tally.add(itertools.repeat(LINE.format("/healthz"), 7), Format())

    assert tally.health == {("/healthz", 200): 7}
