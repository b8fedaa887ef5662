# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm generate-config`: writes a config file with every setting in it, explained."""

from __future__ import annotations

import argparse
import os
import sys

from wsgiapm.errors import ConfigError, WsgiapmError

SUMMARY = "write a commented config file"
EXAMPLE = "wsgiapm generate-config wsgiapm.ini && export WSGIAPM_CONFIG_FILE=$PWD/wsgiapm.ini"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("license_key", metavar="LICENSE_KEY", nargs="?", default="", help="put this key into the file")
    parser.add_argument("file", metavar="FILE", help="the file to write; readable for its owner only")
    parser.add_argument("--force", action="store_true", help="overwrite the file if it exists")


def run(arguments: argparse.Namespace) -> int:
    """Write the file."""
    from wsgiapm.config import OPTIONS, reference  # noqa: PLC0415

    try:
        license_key = OPTIONS["license_key"].kind.parse(arguments.license_key)
    except ValueError as error:
        raise ConfigError(f"LICENSE_KEY {error}") from None
    path = os.path.realpath(arguments.file)
    try:
        _write(path, reference.ini(license_key), force=arguments.force)
    except FileExistsError:
        raise WsgiapmError(f"{arguments.file} exists; say --force to overwrite it") from None
    except OSError as error:
        raise WsgiapmError(f"cannot write {arguments.file}: {error.strerror}") from None
    print(f"wrote {arguments.file}; set WSGIAPM_CONFIG_FILE={path} where the app is started", file=sys.stderr)
    return 0


def _write(path: str, text: str, *, force: bool) -> None:
    if not force:
        _create(path, text)
        return
    if os.path.exists(path) and not os.path.isfile(path):
        raise WsgiapmError(f"{path} is not a regular file; choose another name")
    written = f"{path}.{os.getpid()}.new"
    _create(written, text)
    try:
        os.replace(written, path)
    except OSError:
        os.unlink(written)
        raise


def _create(path: str, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
