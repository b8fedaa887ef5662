# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm harvest`: merges and uploads in place of the harvest threads."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from wsgiapm import log, native
from wsgiapm.cli.arguments import add_shared_directory

if TYPE_CHECKING:
    from wsgiapm.cli.places import Place

SUMMARY = "merge the counters and upload them, in place of threads in the workers"
EXAMPLE = "WSGIAPM_APP_NAME=shop wsgiapm harvest --once"
_PAUSE = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    add_shared_directory(parser)
    parser.add_argument("--once", action="store_true", help="do it once and end")


def run(arguments: argparse.Namespace) -> int:
    """Harvest once, or until a signal ends it."""
    from wsgiapm.cli.places import find  # noqa: PLC0415

    place = find(arguments.shared_dir)
    if arguments.once:
        place.require()
    else:
        _wait_for(place)
    from wsgiapm.last_harvest import run as run_harvest  # noqa: PLC0415

    return run_harvest(place.path, place.settings, arguments.once)


def _wait_for(place: Place) -> None:
    """Wait for the directory: who keeps this command running starts it with the app, which makes it at its first request."""
    while not os.path.lexists(place.path):
        log.once(place.path, "INFO", "harvest: waiting for %s, which the app makes at its first request", place.path)
        native.sleep(_PAUSE)
    place.require()
