# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm verify` with the log of a real gunicorn, a real ab and a real server of ours."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Verify = Callable[..., tuple[int, dict[str, Any]]]


def rows(outcome: dict[str, Any]) -> dict[tuple[str, int], tuple[int, int, int]]:
    """By route and status: requests in the log, ours, and unexplained."""
    return {(row["route"], row["status"]): (row["log"], row["ours"], row["unexplained"]) for row in outcome["routes"]}


def explained(outcome: dict[str, Any]) -> dict[str, int]:
    """By the id of an explanation: requests."""
    return {explanation["id"]: explanation["requests"] for explanation in outcome["explanations"]}


def test_routes_statuses_and_bytes_agree(start_site: Any, verify: Verify, when_written: Any) -> None:
    """Templates, fallbacks, HEAD, 404 and query strings of a real log are all found in our counters, byte for byte."""
    site = start_site("--workers", "2")
    for path in ["/walks/10/", "/walks/20/?a=1", "/walks/30/", "/lucky", "/nowhere", "/walks/10"]:
        site.get(path)
    site.get("/walks/40/", "HEAD")
    when_written(site.log, 8)  # /walks/10 is redirected

    status, outcome = verify(site.log)

    assert (status, outcome["agrees"], outcome["bytes"]) == (0, True, [])
    assert rows(outcome)["/walks/<int:number>/", 200] == (5, 5, 0)
    assert rows(outcome)["(not found)", 404] == (1, 1, 0)
    assert outcome["bytes_compared"] is True


def test_a_missing_and_a_forged_line_are_differences(start_site: Any, verify: Verify, when_written: Any) -> None:
    """One request too few, one too many, and one byte too many are each found, on their route, with status 1."""
    site = start_site()
    for _ in range(5):
        site.get("/walks/10/")
    when_written(site.log, 5)
    lines = site.log.read_bytes().splitlines(keepends=True)

    fewer = verify("-", given=b"".join(lines[1:]))
    more = verify("-", given=b"".join([*lines, lines[0]]))
    bytes_more = verify("-", given=b"".join([*lines[1:], lines[0].replace(b" 200 10 ", b" 200 11 ")]))

    route = ("/walks/<int:number>/", 200)
    assert (fewer[0], rows(fewer[1])[route]) == (1, (4, 5, -1))
    assert (more[0], rows(more[1])[route]) == (1, (6, 5, 1))
    assert (bytes_more[0], bytes_more[1]["bytes"]) == (
        1,
        [{"route": route[0], "log": 51, "ours": 50, "explained": ""}],
    )


def test_rotated_and_gzipped_files_count_together(
    start_site: Any, verify: Verify, when_written: Any, tmp_path: Path
) -> None:
    """Without its older half the log is short; with it, gzipped, it agrees."""
    site = start_site()
    for _ in range(4):
        site.get("/lucky")
    when_written(site.log, 4)
    lines = site.log.read_bytes().splitlines(keepends=True)
    current, rotated = tmp_path / "split.log", tmp_path / "split.log.1.gz"
    current.write_bytes(b"".join(lines[2:]))
    rotated.write_bytes(gzip.compress(b"".join(lines[:2])))

    assert verify(current)[0] == 1
    assert verify(current, rotated)[0] == 0


def test_ignored_paths_are_explained(start_site: Any, verify: Verify, when_written: Any) -> None:
    """What ignore_paths leaves out is in the log and not in the counters, and that is no difference."""
    env = {"WSGIAPM_IGNORE_PATHS": "/healthy"}
    site = start_site(env=env)
    site.get("/lucky")
    site.get("/healthy/deep")
    when_written(site.log, 2)

    status, outcome = verify(site.log, env=env)

    assert (status, explained(outcome)) == (0, {"ignored-path": 1})


def test_what_the_middleware_never_saw_is_a_difference(start_site: Any, verify: Verify, when_written: Any) -> None:
    """The same log without that setting has a request that we do not know."""
    site = start_site(env={"WSGIAPM_IGNORE_PATHS": "/healthy"})
    site.get("/lucky")
    site.get("/healthy/deep")
    when_written(site.log, 2)

    status, outcome = verify(site.log)

    assert (status, rows(outcome)["/healthy/deep", 200]) == (1, (1, 0, 1))


def test_malformed_lines_are_counted_and_shown(start_site: Any, verify: Verify, when_written: Any) -> None:
    """They are no requests; the first ones are shown."""
    site = start_site()
    site.get("/lucky")
    when_written(site.log, 1)

    status, outcome = verify("-", given=site.log.read_bytes() + b"Traceback:\n" * 9 + b"\xff\xfe\x00\n")

    assert (status, outcome["log"]["malformed"], outcome["log"]["examples"]) == (0, 10, ["Traceback:"] * 3)


def test_lengths_that_vary_and_ab(start_site: Any, verify: Verify, when_written: Any) -> None:
    """What ab calls failed is settled: as many as ab said, from which length to which, on which route."""
    ab = shutil.which("ab")
    if ab is None:
        pytest.skip("there is no ab (package apache2-utils)")
    site = start_site()
    done = subprocess.run(
        [ab, "-q", "-n", "100", f"http://127.0.0.1:{site.port}/lucky"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    failed = re.search(r"Failed requests: +(\d+)", done.stdout)
    assert failed is not None
    when_written(site.log, 100)

    status, outcome = verify(site.log)

    (varying,) = outcome["ab"]
    assert status == 0
    assert int(failed[1]) == varying["differing"] > 0
    assert (varying["route"], varying["shortest"], varying["longest"]) == ("/lucky", 20, 26)
    assert "from 20 to 26 bytes on route /lucky" in varying["text"]
    assert "ab -l" in varying["text"]


def test_a_format_string_of_gunicorn(start_site: Any, verify: Verify, when_written: Any) -> None:
    """Another format is read when its string is given as gunicorn has it."""
    form = '%(h)s took %(L)s "%(r)s" [%({host}i)s] %(s)s %(B)s %(t)s'
    site = start_site("--access-logformat", form)
    site.get("/walks/15/")
    site.get("/lucky?x=%20")
    when_written(site.log, 2)

    status, outcome = verify(site.log, "--format", form)

    assert (status, sum(row["log"] for row in outcome["routes"]), outcome["bytes_compared"]) == (0, 2, True)


def test_the_server_has_what_the_log_has(start_site: Any, server: Any, verify: Verify, when_written: Any) -> None:
    """By the server's API, with its token: equal, and different when a line is taken away."""
    env = {"WSGIAPM_ENDPOINT": server.address, "WSGIAPM_HARVEST_INTERVAL": "1s", "WSGIAPM_APP_NAME": "shop"}
    site = start_site(env=env)
    for number in range(6):
        site.get(f"/walks/{number + 1}/")
    when_written(site.log, 6)
    arguments = ("--server", server.address, "--app", "shop")
    shortened = site.log.with_name("shortened.log")
    shortened.write_bytes(b"".join(site.log.read_bytes().splitlines(keepends=True)[1:]))

    for _ in range(60):  # the upload takes its time
        status, outcome = verify(site.log, *arguments)
        if status == 0:
            break

    assert (status, rows(outcome)["/walks/<int:number>/", 200]) == (0, (6, 6, 0))
    assert verify(shortened, *arguments)[0] == 1


def test_a_path_cannot_speak_to_the_terminal(start_site: Any, when_written: Any, tmp_path: Path) -> None:
    """What a client asked for is printed with its control characters shown."""
    site = start_site()
    site.get("/%1b%5d0;x%07")
    when_written(site.log, 1)
    text = site.log.read_text(encoding="utf-8").replace(" 404 ", " 200 ")  # a route of its own
    done = subprocess.run(
        [sys.executable, "-m", "wsgiapm", "verify", "-", "--shared-dir", str(site.shared)],
        input=text.encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert b"\\x1b]0;x\\x07" in done.stdout
    assert b"\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["/no/such/log"], "/no/such/log"),
        (["/tmp"], "directory"),
        (["--format", "nonsense", "-"], "no format"),
        (["--format", "$remote_addr", "-"], "no request line"),
        (["--from", "1", "--to", "2", "-"], "--server"),
        (["--server", "ftp://x", "--token-file", "/dev/null", "x"], "no address"),
    ],
)
def test_wrong_use(arguments: list[str], said: str, start_site: Any, verify: Verify, tmp_path: Path) -> None:
    """It ends with status 2 and says what was wrong."""
    (tmp_path / "shared").mkdir(mode=0o700)
    record = "from wsgiapm.aggregate.instance import join\nfrom wsgiapm.aggregate.index_file import Identity\n"
    record += f"i = join({str(tmp_path / 'shared')!r}, Identity('python-app'))\ni.begin(500_000_000)"
    subprocess.run([sys.executable, "-c", record], check=True, timeout=60)

    status, outcome = verify(*arguments)

    assert status == 2
    assert said in outcome["stderr"]
