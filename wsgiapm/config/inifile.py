# SPDX-License-Identifier: Apache-2.0
"""The config file: reads `[wsgiapm]` and the section of the environment, and knows the line of each entry."""

from __future__ import annotations

import configparser
import re
from typing import NamedTuple

MAIN_SECTION = "wsgiapm"


class Entry(NamedTuple):
    """One `name = value` of the file."""

    value: str
    section: str
    line: int


class FileProblem(NamedTuple):
    """Something in the file that is not about one setting's value."""

    name: str
    line: int  # 0 when it is about the whole file
    message: str


class Contents(NamedTuple):
    """What the file says for one environment."""

    entries: dict[str, Entry]
    problems: tuple[FileProblem, ...]


def read(path: str, environment: str | None) -> Contents:
    """Read the file.

    Args:
        path: the file.
        environment: whose section counts besides the main one; None for what the main section says itself.

    Returns:
        The entries, those of the environment before those of the main section, and what is wrong with the file.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except OSError as error:
        return _failed(0, f"cannot be read ({error.strerror}); correct the path, or leave it out")
    except ValueError:
        return _failed(0, "is not UTF-8 text; save it as UTF-8")
    # No interpolation: a % in a key stands for itself. No default section: [DEFAULT] is somebody else's.
    parser = configparser.RawConfigParser(default_section="", strict=True)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        return _failed(*_fault(error))
    return _contents(parser, text.splitlines(), environment)


def _failed(line: int, message: str) -> Contents:
    return Contents({}, (FileProblem("", line, message),))


def _fault(error: configparser.Error) -> tuple[int, str]:
    """The line and the reason; the text of the line is not quoted, it may be a secret."""
    if isinstance(error, configparser.MissingSectionHeaderError):
        return error.lineno, f"the line stands above the first section; put [{MAIN_SECTION}] above it"
    if isinstance(error, configparser.DuplicateOptionError):
        return error.lineno or 0, f"{error.option} appears twice in [{error.section}]; remove one"
    if isinstance(error, configparser.DuplicateSectionError):
        return error.lineno or 0, f"[{error.section}] appears twice; make them one"
    lines = [number for number, _ in getattr(error, "errors", ())]
    return (lines[0] if lines else 0), "the line is not of the form name = value; correct it"


def _contents(parser: configparser.RawConfigParser, lines: list[str], environment: str | None) -> Contents:
    entries: dict[str, Entry] = {}
    problems = [_foreign_section(name, lines) for name in parser.sections() if _is_misspelt(name)]
    if not any(name == MAIN_SECTION or name.startswith(MAIN_SECTION + ":") for name in parser.sections()):
        problems.append(FileProblem("", 0, f"has no section [{MAIN_SECTION}]; put that line above the settings"))
    if environment is None:
        environment = parser.get(MAIN_SECTION, "environment", fallback="").strip()
    for section in (MAIN_SECTION, f"{MAIN_SECTION}:{environment}"):
        if parser.has_section(section):
            for name, value in parser.items(section):
                entries[name] = Entry(value, section, _line_of(lines, section, name))
    return Contents(entries, tuple(problems))


def _is_misspelt(section: str) -> bool:
    return section.lower().startswith(MAIN_SECTION) and section != MAIN_SECTION and not section.startswith("wsgiapm:")


def _foreign_section(section: str, lines: list[str]) -> FileProblem:
    return FileProblem(
        "",
        _line_of(lines, section, None),
        f"[{section}] is no section of wsgiapm; write [{MAIN_SECTION}], or [{MAIN_SECTION}:NAME] for an environment",
    )


def _line_of(lines: list[str], section: str, name: str | None) -> int:
    """The number of the line of an entry, or of the section's header when there is no name."""
    current = None
    for number, line in enumerate(lines, 1):
        header = re.match(r"\[(.+)\]", line.strip())
        if header:
            current = header[1]
            if name is None and current == section:
                return number
        elif name is not None and current == section and re.split(r"[=:]", line, maxsplit=1)[0].strip().lower() == name:
            return number
    return 0
