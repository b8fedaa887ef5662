# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm serve`: the collector and the report."""

from __future__ import annotations

import argparse
import re
from ipaddress import IPv6Address

from wsgiapm.cli.arguments import address_text, duration_text
from wsgiapm.errors import WsgiapmError

SUMMARY = "run the collector and the report"
EXAMPLE = "wsgiapm serve --listen 127.0.0.1:4318 --store sqlite:////var/lib/wsgiapm/report.db --retention 90d"

_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")


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
    parser.add_argument(
        "--host",
        metavar="NAME",
        type=_host_name,
        action="append",
        default=[],
        help="further name of the server, that a proxy in front passes on in Host; may be given several times",
    )


def _host_name(text: str) -> str:
    """Check that the text is what stands in a Host header before the port.

    Raises:
        argparse.ArgumentTypeError: says what the text must be.
    """
    name = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not _NAME.fullmatch(name) and not _is_ipv6(name):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a host name as browsers send it, such as apm.example.com (no scheme, no port)"
        )
    return name


def _is_ipv6(name: str) -> bool:
    try:
        IPv6Address(name)
    except ValueError:
        return False
    return "%" not in name


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
            hosts=arguments.host,
        )
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "wsgiapm":
            raise
        raise WsgiapmError(
            f'`wsgiapm serve` needs {error.name}, which is not installed; run: pip install "wsgiapm[server]"'
        ) from error
