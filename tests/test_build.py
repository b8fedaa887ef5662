# SPDX-License-Identifier: Apache-2.0
"""What is built from a checkout: the report's pages, and a wheel and an sdist that carry them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import hatch_build

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
STATIC = "wsgiapm/report/static/"
# Nobody listens there: whoever asks for a package fails.
NO_REGISTRY = {"npm_config_registry": "http://127.0.0.1:9/", "npm_config_fetch_retries": "0"}


def build(source: str | Path, kind: str, target: Path, environment: dict[str, str]) -> Path:
    """What `python -m hatchling build` makes of `source`."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(target)]
    done = subprocess.run(
        command, cwd=source, env=os.environ | environment, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return next(target.iterdir())


def check_wheel(wheel: Path) -> None:
    """It has the page, every file that the page names, and the licences of what is in them."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        page = archive.read(f"{STATIC}index.html").decode()
        licences = archive.read(f"{STATIC}licenses.md").decode()
    wanted = set(re.findall(r'(?:src|href)="\./(assets/[^"]+)"', page))
    assert {os.path.splitext(name)[1] for name in wanted} == {".js", ".css", ".svg"}
    assert {STATIC + name for name in wanted} <= names
    assert all(re.search(r"-[\w-]{8}\.", name) for name in wanted), (
        "the server lets browsers keep these for ever: names must change with the content"
    )
    assert all(name in licences for name in ("echarts", "zrender", "preact"))
    assert any(re.fullmatch(r"wsgiapm-.*\.dist-info/licenses/LICENSE", name) for name in names)
    assert not [name for name in names if "node_modules" in name or name.startswith("ui/")]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout with the pages built, and without what else lies about in the working directory."""
    hatch_build.build_report(ROOT)
    copy = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if os.path.exists(os.path.join(ROOT, name)):
            os.makedirs(copy / os.path.dirname(name), exist_ok=True)
            shutil.copy2(os.path.join(ROOT, name), copy / name)
    shutil.copytree(os.path.join(ROOT, hatch_build.STATIC), copy / hatch_build.STATIC)
    return copy


def test_a_wheel_carries_the_report(checkout: Path, tmp_path: Path) -> None:
    """`pip install .` gives the pages without anything else to do."""
    check_wheel(build(checkout, "wheel", tmp_path, {}))


def test_an_sdist_is_built_without_a_registry(checkout: Path, tmp_path: Path) -> None:
    """The sdist has the pages ready, and their sources; a wheel is made of it where npm reaches nobody."""
    sdist = build(checkout, "sdist", tmp_path / "sdist", {})
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "source")  # made by this test
    source = next((tmp_path / "source").iterdir())

    assert (source / "ui" / "package-lock.json").exists()
    assert not (source / "ui" / "node_modules").exists()
    check_wheel(build(source, "wheel", tmp_path / "wheel", NO_REGISTRY))
    assert not (source / "ui" / "node_modules").exists()


def test_says_that_the_registry_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network the error says what was wanted, where to look, and what works instead."""
    copy_sources(tmp_path)
    for name, value in {**NO_REGISTRY, "npm_config_cache": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(hatch_build.ReportError, match=r"the npm registry cannot be reached.*released sdist"):
        hatch_build.build_report(str(tmp_path))


def test_builds_again_only_when_a_source_changed(tmp_path: Path) -> None:
    """What counts is the content: not times, not what npm put beside the sources."""
    copy_sources(tmp_path)
    ui = tmp_path / "ui"
    before = hatch_build.source_hash(str(ui))
    static = tmp_path / "wsgiapm" / "report" / "static"
    static.mkdir(parents=True)
    (static / hatch_build.STAMP).write_text(before + "\n", encoding="ascii")

    os.utime(ui / "index.html", (1, 1))
    (ui / "node_modules").mkdir()
    (ui / "node_modules" / "package.json").write_text("{}", encoding="ascii")
    assert hatch_build.build_report(str(tmp_path)) is False

    with open(ui / "src" / "main.tsx", "a", encoding="utf-8") as source:
        source.write("\n")
    assert hatch_build.source_hash(str(ui)) != before


def test_the_lock_file_names_no_download_address() -> None:
    """It pins by integrity hash and leaves the registry to the user's own settings."""
    with open(os.path.join(ROOT, "ui", "package-lock.json"), encoding="utf-8") as lock:
        packages = json.load(lock)["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []


def copy_sources(target: Path) -> None:
    """The checkout's `ui/` without what npm put there."""
    shutil.copytree(os.path.join(ROOT, "ui"), target / "ui", ignore=shutil.ignore_patterns(*hatch_build.NOT_SOURCES))
