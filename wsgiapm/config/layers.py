# SPDX-License-Identifier: Apache-2.0
"""Finds the value of every setting: keyword, environment, file, default, in this order, and says where it came from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from wsgiapm.config.kinds import Multiple
from wsgiapm.config.settings import OPTIONS, Option, Settings
from wsgiapm.named_tuple import NamedTuple

PREFIX = "WSGIAPM_"
FILE_VARIABLE = "WSGIAPM_CONFIG_FILE"


class Problem(NamedTuple):
    """Something wrong with the settings; `message` is the whole sentence and has no secret in it."""

    name: str
    value: str
    origin: str
    message: str

    def __str__(self) -> str:
        """The message."""
        return self.message


class Resolved(NamedTuple):
    """The settings in force, where each came from, and what was wrong."""

    settings: Settings
    origins: dict[str, str]
    problems: tuple[Problem, ...]


class _Given(NamedTuple):
    value: object
    origin: str
    place: str  # the origin, with the line where there is one


def resolve(
    keywords: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    file: str | None = None,
) -> Resolved:
    """Find the value of every setting.

    A bad value becomes a problem, and the default is used. An empty text is no value, except for settings of text.

    Args:
        keywords: settings given in code; None as a value is the same as not given.
        environ: the environment; that of the process by default.
        file: the config file; the one WSGIAPM_CONFIG_FILE names by default.

    Raises:
        TypeError: a keyword is no setting.
    """
    environ = os.environ if environ is None else environ
    layer, problems = _from_environment(environ)
    given = {name: _Given(value, "keyword", "keyword") for name, value in _known(keywords or {}).items()}
    given = layer | {name: item for name, item in given.items() if item.value is not None}
    path = file or environ.get(FILE_VARIABLE, "").strip()
    if path:
        environment = given.get("environment")
        of_file, more = _from_file(path, None if environment is None else str(environment.value).strip())
        given = of_file | given
        problems += more
    return _settle(given, problems)


def _known(keywords: Mapping[str, object]) -> Mapping[str, object]:
    for name in keywords:
        if name not in OPTIONS:
            raise TypeError(f"wsgiapm has no setting {name!r}{_suggestion(name)}")
    return keywords


def _from_environment(environ: Mapping[str, str]) -> tuple[dict[str, _Given], list[Problem]]:
    layer: dict[str, _Given] = {}
    problems: list[Problem] = []
    for variable in environ:
        if not variable.startswith(PREFIX) or variable == FILE_VARIABLE:
            continue
        name = variable[len(PREFIX) :].lower()
        origin = f"environment {variable}"
        option = OPTIONS.get(name)
        if option is None or option.variable != variable:
            problems.append(_unknown(name, origin))
        elif _is_given(option, environ[variable]):
            layer[name] = _Given(environ[variable], origin, origin)
    return layer, problems


def _from_file(path: str, environment: str | None) -> tuple[dict[str, _Given], list[Problem]]:
    from wsgiapm.config import inifile  # noqa: PLC0415  # most processes have no file, and need no parser

    contents = inifile.read(path, environment)
    layer: dict[str, _Given] = {}
    problems = []
    for fault in contents.problems:
        place = f"file {path}" + (f", line {fault.line}" if fault.line else "")
        problems.append(Problem(fault.name, "", place, f"{place}: {fault.message}"))
    for name, entry in contents.entries.items():
        origin = f"file {path} [{entry.section}]"
        place = f"{origin}, line {entry.line}"
        option = OPTIONS.get(name)
        if option is None:
            problems.append(_unknown(name, place))
        elif _is_given(option, entry.value):
            layer[name] = _Given(entry.value, origin, place)
    return layer, problems


def _is_given(option: Option, text: str) -> bool:
    return option.kind.takes_empty or bool(text.strip())


def _unknown(name: str, place: str) -> Problem:
    # The value is not told: the name may be a secret's, misspelt.
    return Problem(name, "", place, f"{place}: there is no setting {name}{_suggestion(name)}; correct or remove it")


def _suggestion(name: str) -> str:
    import difflib  # noqa: PLC0415  # only after a mistake

    near = difflib.get_close_matches(name.lower(), OPTIONS, 1)
    return f" (did you mean {near[0]}?)" if near else ""


def _settle(given: Mapping[str, _Given], problems: list[Problem]) -> Resolved:
    values: dict[str, Any] = {}
    origins = dict.fromkeys(OPTIONS, "default")
    for name, item in given.items():
        option = OPTIONS[name]
        try:
            values[name] = option.kind.parse(item.value)
        except ValueError as error:
            problems.append(_bad(option, item, str(error)))
        else:
            origins[name] = item.origin
    for name, value in values.items():
        if isinstance(value, Multiple):
            values[name] = value.factor * values.get("apdex_t", OPTIONS["apdex_t"].default)
    return Resolved(Settings(**values), origins, tuple(problems))


def _bad(option: Option, item: _Given, reason: str) -> Problem:
    value = option.kind.conceal(item.value)[:100]
    default = option.unset or option.default_text or "empty"
    message = f"{option.name} is {value!r} ({item.place}): {reason}; the default is used: {default}"
    return Problem(option.name, value, item.place, message)
