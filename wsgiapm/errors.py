# SPDX-License-Identifier: Apache-2.0
"""The exceptions wsgiapm raises on purpose; their messages say what was found, where, and what to do."""

from __future__ import annotations


class WsgiapmError(Exception):
    """Anything wsgiapm raises on purpose."""


class ConfigError(WsgiapmError):
    """A setting or a config file cannot be used."""


class SharedDirectoryError(WsgiapmError):
    """The shared directory of an app cannot be used."""


class StoreError(WsgiapmError):
    """The database of the report cannot be used."""
