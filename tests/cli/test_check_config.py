# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm check-config`."""

from __future__ import annotations

from wsgiapm.config import OPTIONS


def test_it_says_every_setting_with_its_origin(wsgiapm, tmp_path):
    """One line each, and `success` last."""
    path = tmp_path / "app.ini"
    path.write_text("[wsgiapm]\napdex_t = 300ms\n")
    ran = wsgiapm("check-config", env={"WSGIAPM_CONFIG_FILE": "app.ini", "WSGIAPM_APP_NAME": "shop"})
    lines = ran.stdout.splitlines()
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [line.partition(" = ")[0] for line in lines] == [*OPTIONS, "success"]
    assert "app_name = shop  (environment WSGIAPM_APP_NAME)" in lines
    assert "apdex_t = 300ms  (file app.ini [wsgiapm])" in lines
    assert "spool_max_bytes = 64MiB  (default)" in lines
    assert "endpoint = http://127.0.0.1:4318  (default)" in lines


def test_it_says_where_the_directories_are(wsgiapm, tmp_path):
    """Not only that they are the default."""
    lines = wsgiapm("check-config", env={"WSGIAPM_APP_NAME": "shop"}).stdout.splitlines()
    assert f"spool_dir = {tmp_path}/state/wsgiapm/spool/shop  (default)" in lines
    (shared,) = [line for line in lines if line.startswith("shared_dir = ")]
    assert shared.endswith("/shop  (default)")


def test_it_names_each_bad_setting(wsgiapm):
    """On stderr, with exit status 1 and without `success`."""
    ran = wsgiapm("check-config", env={"WSGIAPM_APDEX_T": "soon", "WSGIAPM_ENDPOINT": "x", "WSGIAPM_NOPE": "1"})
    assert ran.returncode == 1
    assert "success" not in ran.stdout
    assert "apdex_t = 500ms  (default)" in ran.stdout
    starts = [line.split()[0] for line in ran.stderr.splitlines()]
    assert sorted(starts) == ["apdex_t", "endpoint", "environment"]


def test_a_file_that_is_missing(wsgiapm):
    """Is something wrong."""
    ran = wsgiapm("check-config", "nope.ini")
    assert ran.returncode == 1
    assert (
        ran.stderr == "file nope.ini: cannot be read (No such file or directory); correct the path, or leave it out\n"
    )


def test_no_secret_is_shown(wsgiapm):
    """Only that it is set."""
    secrets = {
        "WSGIAPM_LICENSE_KEY": "hush1",
        "WSGIAPM_METRICS_TOKEN": "hush2",
        "WSGIAPM_HEADERS": "X-Key=hush3",
        "WSGIAPM_PROXY": "http://me:hush4@proxy:3128",
    }
    ran = wsgiapm("check-config", env=secrets)
    assert ran.returncode == 0
    assert "hush" not in ran.stdout + ran.stderr
    assert "license_key = (set, not shown)  (environment WSGIAPM_LICENSE_KEY)" in ran.stdout
    assert "metrics_token = (set, not shown)  (environment WSGIAPM_METRICS_TOKEN)" in ran.stdout
    assert "headers = X-Key=(set, not shown)  (environment WSGIAPM_HEADERS)" in ran.stdout
    assert "proxy = http://***@proxy:3128  (environment WSGIAPM_PROXY)" in ran.stdout
