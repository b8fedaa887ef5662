# SPDX-License-Identifier: Apache-2.0
"""Where things lie by default, and the token that lies there."""

from __future__ import annotations

import os

import pytest

from wsgiapm.config import (
    Settings,
    directories,
    endpoint_is_local,
    ingest_token,
    shared_directory,
    spool_directory,
    state_directory,
)


@pytest.fixture
def token_file(monkeypatch, tmp_path):
    """The ingest token file as `wsgiapm serve` leaves it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = tmp_path / "wsgiapm" / "ingest-token"
    path.parent.mkdir()
    path.write_text("tok-123\n")
    path.chmod(0o600)
    return path


def test_the_shared_directory_is_in_memory_and_the_user_s_own():
    """It has the uid and the app's name in it."""
    assert shared_directory(Settings(app_name="shop"), uid=33) == "/dev/shm/wsgiapm-33/shop"


def test_the_shared_directory_is_that_of_this_user_by_default():
    """The uid of the process."""
    assert shared_directory(Settings(app_name="shop")) == f"/dev/shm/wsgiapm-{os.geteuid()}/shop"


def test_without_dev_shm_it_lies_on_disk(monkeypatch, tmp_path):
    """Not every system has one."""
    monkeypatch.setattr(directories, "_IN_MEMORY", str(tmp_path / "missing"))
    assert shared_directory(Settings(app_name="shop"), uid=33) == "/tmp/wsgiapm-33/shop"


def test_a_given_shared_directory_is_taken_as_it_is():
    """Whatever the names are."""
    assert shared_directory(Settings(shared_dir="/x", app_name="a", instance_name="b"), uid=1) == "/x"


def test_apps_without_a_name_are_told_apart_by_their_working_directory(monkeypatch, tmp_path):
    """Two unnamed apps of one user do not share their counters; the same one finds its directory again."""
    monkeypatch.chdir(tmp_path)
    here = shared_directory(Settings(), uid=1)
    monkeypatch.chdir("/")
    there = shared_directory(Settings(), uid=1)
    assert here != there
    assert here.startswith("/dev/shm/wsgiapm-1/python-app-")
    monkeypatch.chdir(tmp_path)
    assert shared_directory(Settings(), uid=1) == here


def test_a_removed_working_directory_is_no_failure(monkeypatch, tmp_path):
    """The name is made without it."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert shared_directory(Settings(), uid=1).startswith("/dev/shm/wsgiapm-1/python-app-")


@pytest.mark.parametrize("name", ["..", ".", "a/b", "../../etc", "/etc", "a@b", "x" * 200, "caf\u00e9", ".hidden"])
def test_every_name_is_one_file_name(name):
    """Nothing leads out of the user's directory, and the name is never too long."""
    path = shared_directory(Settings(app_name=name, instance_name=name), uid=1)
    assert os.path.dirname(os.path.normpath(path)) == "/dev/shm/wsgiapm-1"
    assert len(os.path.basename(path).encode()) <= 255


def test_different_names_have_different_directories():
    """Names are quoted, not cleaned; app and instance cannot be confused."""
    names = [
        ("a/b", ""),
        ("a_b", ""),
        ("a%2Fb", ""),
        ("a@b", ""),
        ("a", "b"),
        ("x" * 200, ""),
        ("x" * 199, ""),
        ("a b", ""),
    ]
    paths = {shared_directory(Settings(app_name=app, instance_name=instance), uid=1) for app, instance in names}
    assert len(paths) == len(names)


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"XDG_STATE_HOME": "/state", "HOME": "/home/u"}, "/state/wsgiapm"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/home/u"}, "/home/u/.local/state/wsgiapm"),
        ({"XDG_STATE_HOME": "", "HOME": "/home/u"}, "/home/u/.local/state/wsgiapm"),
    ],
    ids=["xdg", "relative", "home"],
)
def test_the_state_directory_follows_the_xdg_specification(environ, path):
    """A relative or empty XDG_STATE_HOME does not count."""
    assert state_directory(environ) == path


def test_a_user_without_a_home_has_a_state_directory(monkeypatch):
    """As in a container with a uid nobody knows."""
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert state_directory({}) == f"/tmp/wsgiapm-state-{os.geteuid()}"


def test_uploads_wait_in_the_state_directory(monkeypatch):
    """Each app in a directory of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert spool_directory(Settings(app_name="shop", instance_name="b")) == "/state/wsgiapm/spool/shop@b"
    assert spool_directory(Settings(spool_dir="/spool")) == "/spool"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "LOCALHOST", "[::1]"])
def test_loopback_addresses_are_local(host):
    """By name and by number."""
    assert endpoint_is_local(f"http://{host}:4318")


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://10.0.0.1",
        "http://127.evil.org",
        "http://127.0.0.1.evil.org",
        "http://localhost@evil.org",
        "",
        "http://[::1",
    ],
)
def test_other_addresses_are_not_local(endpoint):
    """What only looks like loopback is not."""
    assert not endpoint_is_local(endpoint)


def test_the_license_key_is_the_token(token_file):
    """A key that is set goes before the file."""
    assert ingest_token(Settings(license_key="key")) == "key"


def test_the_server_s_token_is_found_by_the_same_user(token_file):
    """Nothing has to be set for a server on this machine."""
    assert ingest_token(Settings()) == "tok-123"


def test_the_server_s_token_is_not_for_other_machines(token_file):
    """It is only taken for a loopback endpoint."""
    assert ingest_token(Settings(endpoint="http://apm.example.org:4318")) == ""


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_token_others_can_read_is_not_taken(token_file, mode):
    """It may be anybody's."""
    token_file.chmod(mode)
    assert ingest_token(Settings()) == ""


def test_a_token_of_another_user_is_not_taken(token_file, monkeypatch):
    """Whoever plants one would receive our data."""
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert ingest_token(Settings()) == ""


def test_a_symbolic_link_is_no_token(token_file):
    """Nor is anything but a regular file."""
    token_file.rename(token_file.with_name("real"))
    token_file.symlink_to("real")
    assert ingest_token(Settings()) == ""
    token_file.unlink()
    os.mkfifo(token_file, 0o600)
    assert ingest_token(Settings()) == ""


@pytest.mark.parametrize("content", [b"two\nlines\n", b"a b", b"\xff\xfe", b"\x00"])
def test_a_damaged_token_is_not_taken(token_file, content):
    """It is one line of ASCII."""
    token_file.write_bytes(content)
    assert ingest_token(Settings()) == ""


def test_a_missing_token_is_empty(token_file):
    """The server answers then that one is needed."""
    token_file.unlink()
    assert ingest_token(Settings()) == ""
