# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm serve`: the collector and the report."""

from __future__ import annotations

import argparse

from wsgiapm.cli.arguments import address_text, duration_text
from wsgiapm.errors import WsgiapmError

SUMMARY = "run the collector and the report"
EXAMPLE = "wsgiapm serve --listen 127.0.0.1:4318 --store sqlite:////var/lib/wsgiapm/report.db --retention 90d"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "--listen", metavar="H:P", type=address_text, default="127.0.0.1:4318", help="address (default: %(default)s)"
    )
    parser.add_argument(
        "--store",
        metavar="URL",
        help="database: sqlite:///relative.db or sqlite:////absolute.db (default: report.db in the user's state directory)",
    )
    parser.add_argument(
        "--retention",
        metavar="AGE",
        type=duration_text,
        default="30d",
        help="how long data is kept (default: %(default)s)",
    )
    parser.add_argument(
        "--token-file",
        metavar="F",
        help="file with the token agents must send (default: one is made in the state directory)",
    )
    parser.add_argument(
        "--view-token-file", metavar="F", help="file with the token readers must give (default: one is made there, too)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    from wsgiapm.cli.places import current  # noqa: PLC0415
    from wsgiapm.config import state_directory  # noqa: PLC0415

    current()
    store = arguments.store or f"sqlite:///{state_directory()}/report.db"
    try:
        from wsgiapm.serve import serve  # noqa: PLC0415

        return serve(
            listen=arguments.listen,
            store=store,
            retention=arguments.retention,
            token_file=arguments.token_file,
            view_token_file=arguments.view_token_file,
        )
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "wsgiapm":
            raise
        raise WsgiapmError(
            f'`wsgiapm serve` needs {error.name}, which is not installed; run: pip install "wsgiapm[server]"'
        ) from error
