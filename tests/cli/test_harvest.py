# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm harvest`, as far as the command line goes."""

from __future__ import annotations

import subprocess
import sys


def test_it_is_handed_the_directory_and_the_settings(wsgiapm, stand_in, shared):
    """And its status is ours."""
    ran = wsgiapm(
        "harvest", "--shared-dir", "shared", program=stand_in, env={"WSGIAPM_APP_NAME": "shop", "STATUS": "1"}
    )
    assert (ran.returncode, ran.stdout) == (1, f"harvest {shared} shop False\n")


def test_once(wsgiapm, stand_in, shared):
    """The directory may come from the settings."""
    ran = wsgiapm("harvest", "--once", program=stand_in, env={"WSGIAPM_SHARED_DIR": str(shared)})
    assert (ran.returncode, ran.stdout) == (0, f"harvest {shared} python-app True\n")


def test_a_directory_that_does_not_exist(wsgiapm, stand_in, tmp_path):
    """Something is wrong: which directory, who says so, what to do."""
    path = f"{tmp_path}/nope"
    ran = wsgiapm("harvest", "--once", program=stand_in, env={"WSGIAPM_SHARED_DIR": path})
    assert (ran.returncode, ran.stdout) == (1, "")
    assert f"no shared directory {path} (shared_dir, environment WSGIAPM_SHARED_DIR)" in ran.stderr
    assert "start it, or say --shared-dir" in ran.stderr


def test_it_waits_for_the_directory(tmp_path, environment, stand_in):
    """Whoever keeps it running starts it before the app's first request; it says what it is waiting for."""
    path = tmp_path / "later"
    argv = [sys.executable, *stand_in, "harvest", "--shared-dir", str(path)]
    with subprocess.Popen(
        argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as running:
        assert f"harvest: waiting for {path}" in running.stderr.readline()
        path.mkdir()
        out, _ = running.communicate(timeout=60)
    assert (running.returncode, out) == (0, f"harvest {path} python-app False\n")


def test_a_file_in_the_directorys_place(wsgiapm, stand_in, tmp_path):
    """It is not waited for: that will not mend itself."""
    (tmp_path / "file").touch()
    ran = wsgiapm("harvest", "--shared-dir", "file", program=stand_in)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "is not a directory" in ran.stderr


def test_a_bad_setting(wsgiapm, stand_in, shared):
    """Is named, with exit status 2."""
    ran = wsgiapm("harvest", "--once", "--shared-dir", "shared", program=stand_in, env={"WSGIAPM_PROXY": "x"})
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "wsgiapm: proxy is 'x'" in ran.stderr
