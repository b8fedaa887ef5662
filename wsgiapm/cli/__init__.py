# SPDX-License-Identifier: Apache-2.0
"""The command `wsgiapm`: finds the sub-command, and turns what goes wrong into a message and an exit status.

0: well; 1: something was found wrong; 2: called wrongly; 130: interrupted; 141: the reader of the output is gone.
A sub-command is a module with SUMMARY, EXAMPLE, add_arguments and run, and a line in the table below. It imports what
it needs in run, so that `wsgiapm --help` does not wait for it.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import Protocol

from wsgiapm.cli import (
    audit,
    check_config,
    discover,
    doctor,
    generate_config,
    harvest,
    metrics,
    run_program,
    serve,
    verify,
)
from wsgiapm.errors import ConfigError, WsgiapmError
from wsgiapm.version import VERSION


class Command(Protocol):
    """What the module of a sub-command has."""

    SUMMARY: str
    EXAMPLE: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Say what the command takes."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it and return the exit status."""


_COMMANDS: dict[str, Command] = {
    "generate-config": generate_config,
    "check-config": check_config,
    "run-program": run_program,
    "serve": serve,
    "harvest": harvest,
    "metrics": metrics,
    "audit": audit,
    "doctor": doctor,
    "verify": verify,
    "discover": discover,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments without the program's name; those of the process by default.

    Returns:
        The exit status.

    Raises:
        SystemExit: by argparse, after --help and --version (0) and when called wrongly (2).
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # an ASCII terminal must not end a command
    try:
        try:
            arguments = _parser().parse_args(argv)
            return _COMMANDS[arguments.command].run(arguments)
        finally:
            sys.stdout.flush()  # what cannot be written is found out here, not when the interpreter ends
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _close_output()
        return 141
    except ConfigError as error:
        return _fail(error, 2)
    except WsgiapmError as error:
        return _fail(error, 1)
    except OSError as error:
        _close_output()
        return _fail(error, 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wsgiapm",
        description="Application performance monitoring for Python WSGI apps that run in several processes.",
        epilog="example:\n  wsgiapm serve   (then start the app and open the address it prints)",
        formatter_class=argparse.RawDescriptionHelpFormatter,  # an example is copied from one line
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"wsgiapm {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in _COMMANDS.items():
        command = commands.add_parser(
            name,
            help=module.SUMMARY,
            description=f"{module.SUMMARY[0].upper()}{module.SUMMARY[1:]}.",
            epilog=f"example:\n  {module.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.add_arguments(command)
    return parser


def _fail(error: Exception, status: int) -> int:
    for line in str(error).splitlines():
        print(f"wsgiapm: {line}", file=sys.stderr)
    return status


def _close_output() -> None:
    """Let the interpreter's own flush at the end go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
