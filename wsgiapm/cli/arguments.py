# SPDX-License-Identifier: Apache-2.0
"""Values on the command line that several commands take."""

from __future__ import annotations

import argparse
import re

_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\s:/\[\]@]+)):(\d{1,5})", re.ASCII)


def address(text: str) -> tuple[str, int]:
    """Read HOST:PORT, the type of --listen.

    Args:
        text: a name or an IPv4 address, or an IPv6 address in brackets; then the port, 0 for any that is free.

    Raises:
        argparse.ArgumentTypeError: says what the text must be.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match[3]) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:4318 or [::1]:4318")
    return match[1] or match[2], int(match[3])


def address_text(text: str) -> str:
    """Check that the text is HOST:PORT and leave it as it is.

    Raises:
        argparse.ArgumentTypeError: says what the text must be.
    """
    address(text)
    return text


def duration_text(text: str) -> str:
    """Check that the text is a length of time above zero and leave it as it is.

    Raises:
        argparse.ArgumentTypeError: says what the text must be.
    """
    from wsgiapm.config import parse_duration  # noqa: PLC0415  # help does not wait for the settings

    try:
        seconds = parse_duration(text.strip())
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} must be more than 0, for example 30d")
    return text


def add_shared_directory(parser: argparse.ArgumentParser) -> None:
    """Add --shared-dir."""
    parser.add_argument(
        "--shared-dir", metavar="D", help="the shared directory of the app (default: that of the current settings)"
    )
