# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm metrics`: the merged counters as Prometheus text, once or as a server."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from wsgiapm.cli.arguments import add_shared_directory, address

if TYPE_CHECKING:
    from wsgiapm.cli.places import Place

SUMMARY = "print the merged counters of an app as Prometheus text, or serve them"
EXAMPLE = "WSGIAPM_APP_NAME=shop wsgiapm metrics --listen 127.0.0.1:9464"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    add_shared_directory(parser)
    parser.add_argument(
        "--listen", metavar="H:P", type=address, help="answer at http://H:P/metrics, computed afresh each time"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the text, or serve it until a signal ends it."""
    from wsgiapm.cli.places import find  # noqa: PLC0415

    place = find(arguments.shared_dir)
    if arguments.listen:
        from wsgiapm.cli.metrics_server import serve  # noqa: PLC0415

        return serve(arguments.listen, lambda: _text(place))
    sys.stdout.buffer.write(_text(place))
    return 0


def _text(place: Place) -> bytes:
    place.require()
    from wsgiapm.aggregate.merge import merge  # noqa: PLC0415
    from wsgiapm.exporters.prometheus import render  # noqa: PLC0415

    return render(merge(place.path))
