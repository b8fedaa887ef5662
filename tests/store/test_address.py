# SPDX-License-Identifier: Apache-2.0
"""The values of --store and --retention."""

from __future__ import annotations

import os

import pytest

from wsgiapm.errors import StoreError
from wsgiapm.store.address import parse_address, parse_retention


def test_three_slashes_are_relative_and_four_absolute(tmp_path, monkeypatch):
    """As SQLAlchemy reads them: relative to the working directory, or from the root."""
    monkeypatch.chdir(tmp_path)

    assert parse_address("sqlite:///x.db") == os.path.join(str(tmp_path), "x.db")
    assert parse_address("sqlite:////var/x.db") == "/var/x.db"


@pytest.mark.parametrize("address", ["", "x.db", "/x.db", "sqlite://x.db", "sqlite:///", "sqlite:////", "mysql:///x"])
def test_other_addresses_are_refused(address):
    """The message shows what was given and what is meant."""
    with pytest.raises(StoreError, match="sqlite:///"):
        parse_address(address)


def test_retention_is_a_duration():
    """Days and hours are read, in seconds."""
    assert parse_retention("30d") == 30 * 86400
    assert parse_retention(" 12h ") == 12 * 3600


@pytest.mark.parametrize("text", ["", "30", "30 days", "0d", "59m", "-1d", "nan"])
def test_other_retentions_are_refused(text):
    """What is no duration, and what is shorter than an hour."""
    with pytest.raises(StoreError, match="retention"):
        parse_retention(text)
