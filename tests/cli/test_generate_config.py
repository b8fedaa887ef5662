# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm generate-config`."""

from __future__ import annotations

import os
import stat

import pytest

from wsgiapm.config import reference


def test_it_writes_a_file_that_check_config_accepts(wsgiapm, tmp_path):
    """Readable for its owner only, and says how to use it."""
    made = wsgiapm("generate-config", "app.ini")
    path = tmp_path / "app.ini"
    assert made.returncode == 0
    assert f"WSGIAPM_CONFIG_FILE={path}" in made.stderr
    assert path.read_text() == reference.ini()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    checked = wsgiapm("check-config", "app.ini")
    assert (checked.returncode, checked.stdout.splitlines()[-1], checked.stderr) == (0, "success", "")


def test_a_license_key_is_put_into_it(wsgiapm):
    """And not shown by check-config."""
    assert wsgiapm("generate-config", "hush-123", "app.ini").returncode == 0
    checked = wsgiapm("check-config", "app.ini")
    assert checked.returncode == 0
    assert "license_key = (set, not shown)  (file app.ini [wsgiapm])" in checked.stdout
    assert "hush" not in checked.stdout + checked.stderr


def test_an_existing_file_is_kept(wsgiapm, tmp_path):
    """Until --force says otherwise."""
    path = tmp_path / "app.ini"
    path.write_text("mine")
    path.chmod(0o644)
    ran = wsgiapm("generate-config", "app.ini")
    assert (ran.returncode, ran.stderr) == (1, "wsgiapm: app.ini exists; say --force to overwrite it\n")
    assert path.read_text() == "mine"
    assert wsgiapm("generate-config", "--force", "app.ini").returncode == 0
    assert path.read_text() == reference.ini()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(os.listdir(tmp_path)) == ["app.ini"]


def test_force_writes_through_a_symbolic_link(wsgiapm, tmp_path):
    """The link stays, its target is new."""
    (tmp_path / "real.ini").write_text("mine")
    (tmp_path / "app.ini").symlink_to("real.ini")
    assert wsgiapm("generate-config", "app.ini", "--force").returncode == 0
    assert (tmp_path / "app.ini").is_symlink()
    assert (tmp_path / "real.ini").read_text() == reference.ini()


@pytest.mark.parametrize(
    ("path", "reason"), [("missing/app.ini", "No such file or directory"), ("dir", "exists; say --force")]
)
def test_where_it_cannot_write(wsgiapm, tmp_path, path, reason):
    """The reason is told."""
    (tmp_path / "dir").mkdir()
    ran = wsgiapm("generate-config", path)
    assert ran.returncode == 1
    assert reason in ran.stderr


def test_force_replaces_regular_files_only(wsgiapm, tmp_path):
    """A device or directory is left as it is."""
    (tmp_path / "dir").mkdir()
    ran = wsgiapm("generate-config", "--force", "dir")
    assert ran.returncode == 1
    assert "not a regular file" in ran.stderr
    assert os.listdir(tmp_path) == ["dir"]


def test_a_key_that_cannot_be_one(wsgiapm, tmp_path):
    """Called wrongly; no file is written, and the key is not repeated."""
    ran = wsgiapm("generate-config", "hush hush", "app.ini")
    assert ran.returncode == 2
    assert "LICENSE_KEY must consist of printable ASCII characters" in ran.stderr
    assert "hush" not in ran.stderr
    assert os.listdir(tmp_path) == []
