# SPDX-License-Identifier: Apache-2.0
"""Token files."""

from __future__ import annotations

import os
import stat
import threading

import pytest

from wsgiapm.errors import ConfigError
from wsgiapm.serve.tokens import INGEST, keep_token, make_directory, read_token


def test_a_token_is_made_once_and_for_its_owner_alone(tmp_path):
    """The second start finds the first one's; nothing else is left in the directory."""
    token = keep_token(str(tmp_path), INGEST)

    assert len(token) >= 32
    assert keep_token(str(tmp_path), INGEST) == token
    assert stat.S_IMODE(os.stat(tmp_path / INGEST).st_mode) == 0o600
    assert os.listdir(tmp_path) == [INGEST]


def test_servers_that_start_at_once_have_the_same_token(tmp_path):
    """One of them wins, and nobody reads half a token."""
    found = []
    threads = [threading.Thread(target=lambda: found.append(keep_token(str(tmp_path), INGEST))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert len(set(found)) == 1


@pytest.mark.parametrize("content", ["secret", "secret\n", "  secret \r\n"])
def test_a_token_file_is_one_line(tmp_path, content):
    """With or without its line end."""
    (tmp_path / "token").write_text(content)

    assert read_token(str(tmp_path / "token")) == "secret"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        ("\n", "is empty"),
        ("one\ntwo\n", "one line"),
        ("two words", "one line"),
        ("gehe\N{LATIN SMALL LETTER I WITH DIAERESIS}m", "one line"),
        ("x" * 5000, "one line"),
        ("a\0b", "one line"),
    ],
)
def test_other_token_files_are_refused(tmp_path, content, reason):
    """The message names the file."""
    path = tmp_path / "token"
    path.write_text(content)

    with pytest.raises(ConfigError, match=reason) as raised:
        read_token(str(path))

    assert str(path) in str(raised.value)


@pytest.mark.parametrize("name", ["missing", "directory"])
def test_a_token_file_that_cannot_be_read_is_refused(tmp_path, name):
    """It is not made: whoever names a file means one that is there."""
    (tmp_path / "directory").mkdir()

    with pytest.raises(ConfigError, match="cannot be read"):
        read_token(str(tmp_path / name))


def test_a_kept_token_others_can_read_is_refused(tmp_path):
    """Agents would not take it either."""
    (tmp_path / INGEST).write_text("secret")
    (tmp_path / INGEST).chmod(0o644)

    with pytest.raises(ConfigError, match="chmod 600"):
        keep_token(str(tmp_path), INGEST)


def test_a_link_in_the_place_of_the_token_is_refused(tmp_path):
    """It would be somebody else's file."""
    (tmp_path / "elsewhere").write_text("secret")
    (tmp_path / INGEST).symlink_to("elsewhere")

    with pytest.raises(ConfigError, match="is not a file of user"):
        keep_token(str(tmp_path), INGEST)


def test_the_directory_is_private(tmp_path):
    """0700; its parents as the user's habit is."""
    make_directory(str(tmp_path / "a" / "b"))

    assert stat.S_IMODE(os.stat(tmp_path / "a" / "b").st_mode) == 0o700


def test_a_directory_others_can_write_to_is_refused(tmp_path):
    """They could put their own token there."""
    tmp_path.chmod(0o777)

    with pytest.raises(ConfigError, match="chmod 700"):
        make_directory(str(tmp_path))


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path):
    """With the reason of the operating system."""
    (tmp_path / "x").touch()

    with pytest.raises(ConfigError, match="cannot be made"):
        make_directory(str(tmp_path / "x"))
