# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm harvest`: merges and uploads in place of the harvest threads."""

from __future__ import annotations

import argparse

from wsgiapm.cli.arguments import add_shared_directory

SUMMARY = "merge the counters and upload them, in place of threads in the workers"
EXAMPLE = "WSGIAPM_APP_NAME=shop wsgiapm harvest --once"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    add_shared_directory(parser)
    parser.add_argument("--once", action="store_true", help="do it once and end")


def run(arguments: argparse.Namespace) -> int:
    """Harvest once, or until a signal ends it."""
    from wsgiapm.cli.places import find  # noqa: PLC0415

    place = find(arguments.shared_dir)
    place.require()
    from wsgiapm.last_harvest import run as run_harvest  # noqa: PLC0415

    return run_harvest(place.path, place.settings, arguments.once)
