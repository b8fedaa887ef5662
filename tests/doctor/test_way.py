# SPDX-License-Identifier: Apache-2.0
"""Findings about the place of the files and the way to the server, and the catalogue itself."""

from __future__ import annotations

import http.server
import os
import sys
import threading
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from wsgiapm import clock
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.index_file import Identity
from wsgiapm.aggregate.instance import Instance, join
from wsgiapm.doctor import catalogue, page, place

HERE = os.path.dirname(__file__)
ROOT = os.path.dirname(os.path.dirname(HERE))

Diagnose = Callable[..., tuple[int, dict[str, dict[str, str]]]]
Record = Callable[..., None]


@pytest.fixture
def answering() -> Iterator[Callable[..., str]]:
    """`answering(status, ahead=seconds)` starts a server that answers so, its clock that much ahead; returns its address."""
    servers = []

    def start(status: int = 200, ahead: float = 0) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def date_time_string(self, timestamp: float | None = None) -> str:
                return formatdate(clock.time() + ahead, usegmt=True)

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("ahead", [600, -90])
def test_clock_skew(ahead: int, record: Record, diagnose: Diagnose, answering: Callable[..., str]) -> None:
    """A server whose clock differs is found, with the seconds and the direction."""
    record("/a")

    finding = diagnose(endpoint=answering(ahead=ahead))[1]["clock-skew"]

    assert ("ahead of" if ahead > 0 else "behind") in finding["message"]
    seconds = int(finding["message"].split(" s ")[0].split()[-1])
    assert abs(seconds - abs(ahead)) <= 2


def test_equal_clocks_are_no_finding(record: Record, diagnose: Diagnose, answering: Callable[..., str]) -> None:
    """A server on the same clock accepts, and that is all."""
    record("/a")

    status, findings = diagnose(endpoint=answering())

    assert status == 0
    assert "accepts uploads" in findings["delivery"]["message"]


def test_what_is_no_server_for_uploads(record: Record, diagnose: Diagnose, answering: Callable[..., str]) -> None:
    """404 means that the address is not that of an OTLP server: an error."""
    record("/a")

    assert diagnose(endpoint=answering(404))[1]["no-otlp-server"]["severity"] == "error"


def test_a_wrong_token(server: Any, record: Record, diagnose: Diagnose) -> None:
    """The real server refuses another token than its own, and takes its own."""
    record("/a")

    assert "401" in diagnose(endpoint=server.address, license_key="wrong")[1]["wrong-token"]["message"]
    assert diagnose(endpoint=server.address, license_key=server.ingest_token)[0] == 0


def test_the_apps_own_token_is_wrong(
    process: Callable[..., Any],
    environment: dict[str, str],
    diagnose: Diagnose,
    answering: Callable[..., str],
    wait_until: Any,
) -> None:
    """What the app's own uploads come to is seen too, whatever the settings of the doctor are."""
    code = "import time\nfrom wsgiapm import APMMiddleware\nAPMMiddleware(lambda *_: [])({'REQUEST_METHOD': 'GET', "
    code += "'wsgi.url_scheme': 'http'}, print)\ntime.sleep(100)"
    given = {"WSGIAPM_ENDPOINT": answering(401), "WSGIAPM_HARVEST_INTERVAL": "1s"}
    running = process([sys.executable, "-c", code], env=environment | given)

    finding = wait_until(lambda: diagnose()[1].get("wrong-token"), "wrong-token is found", 60)

    assert str(running.pid) in finding["message"]


@pytest.fixture
def instance(shared: Path) -> Iterator[Instance]:
    """A part in the shared directory, of this process."""
    instance = join(str(shared), Identity("python-app"))
    instance.begin(500_000_000)
    yield instance
    instance.close()


def test_dropped_events(instance: Instance, diagnose: Diagnose) -> None:
    """Events nobody fetched until the journal was full are counted, and said."""
    assert instance.journal is not None
    for _ in range(2000):
        instance.journal.append(layout.WORKER_DIED_EVENT, b"x" * 1000)

    assert "events were not kept" in diagnose()[1]["dropped-events"]["message"]


def test_a_file_that_was_set_aside(record: Record, diagnose: Diagnose, shared: Path) -> None:
    """The next process puts a damaged file aside; the doctor names it."""
    record("/a")
    with (shared / "segment-0").open("r+b") as file:
        file.seek(layout.CELLS_OFFSET + 8 * 3)
        file.write(b"\xff" * 8)
    record("/a")

    assert "damaged-0" in diagnose()[1]["set-aside-file"]["message"]


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_network_file_system(kind: str) -> None:
    """These types are of other machines; none can be mounted here. Those of this machine are no finding."""
    (finding,) = place.examine_kind("/mnt/shared", kind)

    assert (finding.id, kind in finding.message) == ("network-file-system", True)


@pytest.mark.parametrize("kind", ["btrfs", "zfs"])
def test_a_file_system_that_copies(kind: str) -> None:
    """Full, it ends whoever has a file of it mapped."""
    (finding,) = place.examine_kind("/x/shop", kind)

    assert (finding.id, finding.severity, kind in finding.message) == ("copying-file-system", "warning", True)
    assert not [*place.examine_kind("/mnt/shared", "tmpfs"), *place.examine_kind("/mnt/shared", "fuse.mergerfs")]


def test_remove_ipc(tmp_path: Path) -> None:
    """A user's directory in memory is at risk, unless the user lingers, or a file of logind says no; the last one counts."""
    first, second = tmp_path / "logind.conf", tmp_path / "later.conf"
    first.write_text("[Login]\n", encoding="utf-8")
    configs = [str(first), str(tmp_path / "late*.conf")]

    def look(uid: int) -> list[str]:
        return [f.id for f in place.examine_logind("/dev/shm/wsgiapm-54321/shop", uid, configs, str(tmp_path))]

    assert look(54321) == ["remove-ipc"]
    assert look(999) == []
    second.write_text("RemoveIPC=no\n", encoding="utf-8")
    assert look(54321) == []
    second.write_text("RemoveIPC=yes\n", encoding="utf-8")
    (tmp_path / "54321").touch()
    assert look(54321) == []


def test_something_else_was_dropped(instance: Instance, diagnose: Diagnose) -> None:
    """What a later version counts among what it dropped is told by its own words."""
    from wsgiapm.aggregate.schema import DROPPED

    series = instance.series(DROPPED, (("reason", "rate"), ("what", "trace")))
    assert series is not None
    instance.cells[series.head] += 7

    assert diagnose()[1]["dropped-items"]["message"] == "7 x trace could not be kept (rate)"


def test_the_page_is_that_of_the_catalogue() -> None:
    """docs/doctor.md is up to date; `python -m wsgiapm.doctor.page > docs/doctor.md` makes it so."""
    with open(os.path.join(ROOT, "docs", "doctor.md"), encoding="utf-8") as text:
        assert text.read() == page.page()


def test_every_finding_is_brought_about() -> None:
    """No finding is in the catalogue without a test that names it."""
    tests = ""
    for name in sorted(os.listdir(HERE)):
        if name.endswith(".py"):
            with open(os.path.join(HERE, name), encoding="utf-8") as text:
                tests += text.read()

    assert [name for name in catalogue.CATALOGUE if f'"{name}"' not in tests and f"# {name}" not in tests] == []


def test_whatever_is_worse_than_information_has_a_remedy() -> None:
    """The catalogue tells for each what is lost and what to do."""
    assert [name for name, entry in catalogue.CATALOGUE.items() if entry.severity != "info" and not entry.remedy] == []
