# SPDX-License-Identifier: Apache-2.0
"""Every finding of the doctor, brought about."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wsgiapm.aggregate import layout
from wsgiapm.aggregate.merge import merge
from wsgiapm.doctor import place

Diagnose = Callable[..., tuple[int, dict[str, dict[str, str]]]]
Record = Callable[..., None]


def test_a_healthy_app_has_nothing_but_information(record: Record, diagnose: Diagnose) -> None:
    """With counters there and nothing wrong the status is 0."""
    record("/a")

    status, findings = diagnose()

    assert {finding["severity"] for finding in findings.values()} == {"info"}
    assert "1 files in all" in findings["workers"]["message"]
    assert status == 0


def test_every_warning_has_a_remedy_and_the_status_is_1(diagnose: Diagnose) -> None:
    """What is said to be wrong comes with what to do."""
    status, findings = diagnose(apdex_t="soon", max_seriess="7")

    assert status == 1
    assert findings["bad-setting"]["severity"] == "warning"
    assert all(f["remedy"] for f in findings.values() if f["severity"] != "info")


def test_nothing_recorded_yet(diagnose: Diagnose, shared: Path) -> None:
    """A directory that does not exist is named, and how it comes into being."""
    status, findings = diagnose()

    assert str(shared) in findings["no-directory"]["message"]
    assert "APMMiddleware" in findings["no-directory"]["remedy"]
    assert status == 1


def test_switched_off(record: Record, diagnose: Diagnose) -> None:
    """enabled=false is a warning that says where it was set."""
    record("/a")

    findings = diagnose(enabled="false")[1]

    assert "WSGIAPM_ENABLED" in findings["disabled"]["message"]
    assert "endpoint is empty" in findings["no-endpoint"]["message"]


def test_a_symbolic_link(record: Record, diagnose: Diagnose, shared: Path) -> None:
    """A directory that was replaced by a link is an error."""
    record("/a")
    shared.rename(shared.with_name("elsewhere"))
    shared.symlink_to(shared.with_name("elsewhere"))

    assert "symbolic link" in diagnose()[1]["directory-unusable"]["message"]


def test_a_directory_others_may_write(record: Record, diagnose: Diagnose, shared: Path) -> None:
    """Mode 0777 is an error that names the command to run."""
    record("/a")
    shared.chmod(0o777)

    assert "chmod" in diagnose()[1]["directory-unusable"]["message"]


def test_two_apps_on_one_directory(record: Record, diagnose: Diagnose) -> None:
    """The app that is not the directory's counts on its own: an error with both names."""
    record("/a", app_name="first")

    message = diagnose(app_name="second")[1]["other-app"]["message"]

    assert "'first'" in message


def test_another_file_format(record: Record, diagnose: Diagnose, shared: Path) -> None:
    """An index of another format version says which, and what to do."""
    record("/a")
    index = bytearray((shared / "index").read_bytes())
    index[8] = 99
    (shared / "index").write_bytes(index)

    assert "99" in diagnose()[1]["other-format"]["message"]


def test_a_damaged_counter_file(record: Record, diagnose: Diagnose, shared: Path) -> None:
    """A cell no counter can reach means damage: the file is named and left out."""
    record("/a")
    with (shared / "segment-0").open("r+b") as file:
        file.seek(layout.CELLS_OFFSET + 8 * 3)
        file.write(b"\xff" * 8)

    assert "segment-0" in diagnose()[1]["damaged-file"]["message"]


def test_dropped_series(record: Record, diagnose: Diagnose, shared: Path) -> None:
    """More routes than max_series end up in (other), and it says how many requests."""
    routes = [f"/{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(60)]
    record(*routes, *routes, max_series="20")

    finding = diagnose(max_series="20")[1]["dropped-series"]

    assert "max_series" in finding["message"]
    points = [p for f in merge(str(shared)).families if f.kind == "histogram" for p in f.points]
    other = sum(p.count for p in points if ("http.route", "(other)") in p.attributes)
    assert other > 60
    assert int(finding["message"].split()[0]) == other


def test_an_endpoint_where_nobody_listens(record: Record, diagnose: Diagnose, free_port: Callable[[], int]) -> None:
    """A refused upload is a warning: counts are kept."""
    record("/a")
    port = free_port()

    finding = diagnose(endpoint=f"http://127.0.0.1:{port}")[1]["endpoint-refuses"]

    assert str(port) in finding["message"]
    assert finding["severity"] == "warning"


def test_a_worker_that_does_not_harvest(
    process: Callable[..., Any], environment: dict[str, str], diagnose: Diagnose, wait_until: Callable[..., Any]
) -> None:
    """A process that counts but has no harvest thread, as uwsgi without threads, is found while it lives."""
    code = (
        "import os, sys, time\n"
        "from wsgiapm.agent import start\n"
        "start(harvest_mode='external')\n"
        "print('started', flush=True)\n"
        "time.sleep(60)\n"
    )
    running = process([sys.executable, "-c", code], env=environment)
    running.wait_for_output("started")
    # Three intervals of a second have passed when the doctor finds nothing newer.
    finding = wait_until(lambda: diagnose(harvest_interval="1s")[1].get("no-harvest"), "no-harvest is found")

    assert "1 of 1 workers" in finding["message"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
def test_a_full_directory(environment: dict[str, str], diagnose: Diagnose, tmp_path: Path) -> None:
    """A directory without room is called full."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        (small / "rest").write_bytes(b"x" * 60_000)
        environment["WSGIAPM_SHARED_DIR"] = str(small / "shared")

        assert "is full" in diagnose()[1]["directory-full"]["message"]
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_the_file_system_is_that_of_the_innermost_mount(tmp_path: Path) -> None:
    """A path belongs to the mount whose point is its longest beginning."""
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"a / ext4 rw 0 0\nhost:/x {tmp_path} nfs4 rw 0 0\nc {tmp_path}-not ext4 rw 0 0\n", encoding="utf-8"
    )

    assert place.file_system(str(tmp_path / "shared"), str(mounts)) == "nfs4"
    assert place.file_system("/usr", str(mounts)) == "ext4"


@pytest.mark.parametrize(
    ("text", "removes"), [("", True), ("#RemoveIPC=no\n", True), ("RemoveIPC=no\n", False), ("RemoveIPC=yes\n", True)]
)
def test_logind_removes_shared_memory_unless_told_not_to(text: str, removes: bool, tmp_path: Path) -> None:
    """The default of RemoveIPC is yes; only an explicit no keeps it."""
    config = tmp_path / "logind.conf"
    config.write_text(f"[Login]\n{text}", encoding="utf-8")

    assert place.removes_ipc([str(config)]) is removes
