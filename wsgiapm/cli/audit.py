# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm audit`: what leaves this machine, decoded from the very bytes of the next upload."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from wsgiapm import native
from wsgiapm.cli.arguments import add_shared_directory

if TYPE_CHECKING:
    from wsgiapm.config import Settings
    from wsgiapm.next_upload import Upload

SUMMARY = "show, decoded, exactly what leaves this machine"
EXAMPLE = "WSGIAPM_APP_NAME=shop wsgiapm audit --once"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    add_shared_directory(parser)
    parser.add_argument("--once", action="store_true", help="show the next upload and end")


def run(arguments: argparse.Namespace) -> int:
    """Show what would be uploaded now; then again at each interval, until Ctrl-C."""
    from wsgiapm.cli.places import find  # noqa: PLC0415
    from wsgiapm.next_upload import next_uploads  # noqa: PLC0415

    place = find(arguments.shared_dir)
    place.require()
    while True:
        for upload in next_uploads(place.path, place.settings):
            sys.stdout.writelines(f"{line}\n" for line in _lines(upload, place.settings))
        sys.stdout.flush()
        if arguments.once:
            return 0
        try:
            native.sleep(place.settings.harvest_interval)
        except KeyboardInterrupt:
            return 0  # it is how one ends it


def _lines(upload: Upload, settings: Settings) -> list[str]:
    from wsgiapm.cli.audit_text import tree  # noqa: PLC0415
    from wsgiapm.otlp import METRICS_PATH  # noqa: PLC0415
    from wsgiapm.otlp.decoding import LOGS, METRICS  # noqa: PLC0415

    where = (
        f"POST {upload.address}" if upload.address else "nothing is uploaded (endpoint is empty); this is what would be"
    )
    shown = {name: _conceal(name, value, settings) for name, value in upload.headers.items()}
    return [
        f"{where}: {len(upload.body)} bytes before compression",
        *(f"  {name}: {value}" for name, value in shown.items()),
        *tree((METRICS if upload.path == METRICS_PATH else LOGS)(upload.body)),
        "",
    ]


def _conceal(name: str, value: str, settings: Settings) -> str:
    is_given = name.lower() == "authorization" or any(name == header for header, _ in settings.headers)
    return "(sent, not shown)" if is_given else value
