# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm run-program`: becomes another program, with the agent loaded in it."""

from __future__ import annotations

import argparse
import os
import shutil
import sys

from wsgiapm.errors import ConfigError

SUMMARY = "run a program with the agent loaded, without a change to its code"
EXAMPLE = "wsgiapm run-program gunicorn --workers 4 app:app"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "words", metavar="COMMAND", nargs=argparse.REMAINDER, help="the program and its arguments, as ever"
    )


def run(arguments: argparse.Namespace) -> int:
    """Become the program; returns only when that is impossible."""
    from wsgiapm.bootstrap import extended_environment  # noqa: PLC0415

    command = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not command:
        raise ConfigError("run-program needs the program to run, for example: wsgiapm run-program gunicorn app:app")
    path = _find(command[0])
    try:
        os.execve(path, command, extended_environment(os.getpid()))  # noqa: S606  # the user's own program
    except OSError as error:
        raise ConfigError(f"{path} cannot be run: {error.strerror}") from None


def _find(name: str) -> str:
    """Return the path of a program, as the shell would find it; else one that is installed beside us."""
    path = shutil.which(name) or shutil.which(name, path=os.path.dirname(sys.executable))
    if path is None:
        raise ConfigError(f"there is no program {name}; correct the name, or install it where PATH finds it")
    return path
