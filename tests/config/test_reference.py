# SPDX-License-Identifier: Apache-2.0
"""What is written about the settings."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from wsgiapm.config import OPTIONS, Settings, reference, resolve

PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "configuration.md")


def test_the_page_is_current():
    """docs/configuration.md is what the code says; `python -m wsgiapm.config.reference` makes it."""
    made = subprocess.run(
        [sys.executable, "-m", "wsgiapm.config.reference"], check=True, capture_output=True, timeout=60
    ).stdout
    with open(PAGE, "rb") as page:
        assert page.read() == made


def test_every_setting_is_on_the_page_and_in_the_file():
    """Once each, with one sentence."""
    page, ini = reference.markdown(), reference.ini().partition("#[wsgiapm:staging]")[0]
    for name, option in OPTIONS.items():
        assert page.count(f"| `{name}` |") == 1
        assert len(re.findall(rf"^#{name} =", ini, re.MULTILINE)) == 1
        assert option.doc.endswith(".")
        assert "|" not in option.doc


def test_the_written_file_changes_nothing(tmp_path):
    """As it is written, everything has its default."""
    path = tmp_path / "app.ini"
    path.write_text(reference.ini())
    assert resolve(environ={}, file=str(path))[::2] == (Settings(), ())


def test_the_written_file_with_everything_in_force_changes_nothing_either(tmp_path):
    """The defaults in the comments are the defaults."""
    path = tmp_path / "app.ini"
    path.write_text(re.sub(r"^#(\w+ =|\[)", r"\1", reference.ini(), flags=re.MULTILINE))
    settings, origins, problems = resolve(environ={}, file=str(path))
    assert problems == ()
    assert settings == Settings()
    assert origins["apdex_t"] == f"file {path} [wsgiapm]"


def test_a_license_key_is_in_force_in_the_written_file(tmp_path):
    """And nothing else is."""
    path = tmp_path / "app.ini"
    path.write_text(reference.ini("key%"))
    settings, origins, problems = resolve(environ={}, file=str(path))
    assert problems == ()
    assert settings == Settings(license_key="key%")
    assert [name for name, origin in origins.items() if origin != "default"] == ["license_key"]
