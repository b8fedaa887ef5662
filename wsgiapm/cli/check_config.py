# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm check-config`: says what is in force, where it comes from, and what is wrong."""

from __future__ import annotations

import argparse
import sys

SUMMARY = "say for every setting its value and where it comes from"
EXAMPLE = "wsgiapm check-config wsgiapm.ini"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "file", metavar="FILE", nargs="?", help="the config file (default: the one WSGIAPM_CONFIG_FILE names)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the settings; the exit status is 1 when something is wrong with them."""
    from wsgiapm.config import OPTIONS, resolve, shared_directory, spool_directory  # noqa: PLC0415

    settings, origins, problems = resolve(file=arguments.file)
    found = {"shared_dir": shared_directory(settings), "spool_dir": spool_directory(settings)}
    for name, option in OPTIONS.items():
        text = found.get(name) or option.kind.show(getattr(settings, name))
        origin = origins[name]
        if option.unset and name not in found and getattr(settings, name) == option.default:
            origin, text = f"{origin}: {option.unset}", ""
        print(f"{name} = {text}  ({origin})")
    sys.stdout.flush()
    for problem in problems:
        print(problem.message, file=sys.stderr)
    if problems:
        return 1
    print("success")
    return 0
