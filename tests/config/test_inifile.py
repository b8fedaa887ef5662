# SPDX-License-Identifier: Apache-2.0
"""The config file and what can be wrong with it."""

from __future__ import annotations

import pytest

from wsgiapm.config import resolve


@pytest.fixture
def problems(tmp_path):
    """A function that resolves with a file of this content and returns the messages, the path cut out."""

    def check(content):
        path = tmp_path / "app.ini"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return [problem.message.replace(str(path), "FILE") for problem in resolve(environ={}, file=str(path)).problems]

    return check


def test_a_file_that_does_not_exist():
    """Is a problem that names it."""
    resolved = resolve(environ={"WSGIAPM_CONFIG_FILE": "/nonexistent/app.ini"})
    (problem,) = resolved.problems
    assert problem.message == (
        "file /nonexistent/app.ini: cannot be read (No such file or directory); correct the path, or leave it out"
    )


def test_a_directory_is_no_file(tmp_path):
    """Any reason why it cannot be read is told."""
    (problem,) = resolve(environ={}, file=str(tmp_path)).problems
    assert "Is a directory" in problem.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("app_name = x\n", "FILE, line 1: the line stands above the first section; put [wsgiapm] above it"),
        ("[wsgiapm]\na b c\n", "FILE, line 2: the line is not of the form name = value; correct it"),
        ("[wsgiapm]\napdex_t = 1\n\napdex_t = 2\n", "FILE, line 4: apdex_t appears twice in [wsgiapm]; remove one"),
        ("[wsgiapm]\n[wsgiapm]\n", "FILE, line 2: [wsgiapm] appears twice; make them one"),
        ("[other]\nx = 1\n", "FILE: has no section [wsgiapm]; put that line above the settings"),
        ("", "FILE: has no section [wsgiapm]; put that line above the settings"),
        (b"[wsgiapm]\napp_name = \xff\n", "FILE: is not UTF-8 text; save it as UTF-8"),
    ],
    ids=["no section", "no value", "twice", "section twice", "other section", "empty", "latin-1"],
)
def test_what_can_be_wrong_with_a_file(problems, content, message):
    """The line is named; the whole file is ignored when it cannot be read to its end."""
    assert problems(content) == [f"file {message}"]


def test_a_broken_line_is_not_quoted(problems):
    """It may hold a key."""
    assert "hush" not in str(problems("[wsgiapm]\nlicense_key hush\n"))


def test_an_unknown_name_is_told_with_its_line(problems):
    """And the likely one, but not its value."""
    (message,) = problems("[wsgiapm]\n# a comment\nlicence_key = hush\n")
    assert message == (
        "file FILE [wsgiapm], line 3: there is no setting licence_key (did you mean license_key?); correct or remove it"
    )


@pytest.mark.parametrize("header", ["[wsgiapm_prod]", "[WSGIAPM]", "[wsgiapm-prod]"])
def test_a_section_that_looks_like_ours_but_is_not(problems, header):
    """A misspelt section does not vanish."""
    (message,) = problems(f"[wsgiapm]\n\n{header}\napdex_t = 1\n")
    assert message.startswith(f"file FILE, line 3: {header} is no section of wsgiapm")


def test_other_sections_are_left_alone(problems):
    """The file may be shared with other programs, whose [DEFAULT] is not ours."""
    assert problems("[DEFAULT]\nx = 1\n[uwsgi]\nhttp = :80\n[wsgiapm]\napp_name = shop\n") == []


def test_a_percent_sign_stands_for_itself(tmp_path):
    """There is no interpolation."""
    path = tmp_path / "app.ini"
    path.write_text("[wsgiapm]\nlicense_key = 100%(x)s%\n")
    resolved = resolve(environ={}, file=str(path))
    assert resolved.settings.license_key == "100%(x)s%"


def test_how_a_value_may_be_written(tmp_path):
    """A byte order mark, a colon, upper case and lists over several lines are common."""
    path = tmp_path / "app.ini"
    path.write_text("\ufeff[wsgiapm]\nApp_Name: shop\nignore_paths =\n    /health\n    /metrics\n", encoding="utf-8")
    settings, _, problems = resolve(environ={}, file=str(path))
    assert problems == ()
    assert settings.app_name == "shop"
    assert settings.ignore_paths == ("/health", "/metrics")


def test_the_line_of_a_value_that_spans_several(problems):
    """The line of its name."""
    (message,) = problems("[wsgiapm]\napp_name = x\nignore_paths =\n    /health\n    metrics\n")
    assert "[wsgiapm], line 3)" in message
