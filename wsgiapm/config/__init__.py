# SPDX-License-Identifier: Apache-2.0
"""The settings, and the only reader of the environment."""

from __future__ import annotations

from wsgiapm.config.directories import (
    endpoint_is_local,
    ingest_token,
    shared_directory,
    spool_directory,
    state_directory,
)
from wsgiapm.config.kinds import parse_duration, parse_size, show_duration, show_size
from wsgiapm.config.layers import Problem, Resolved, resolve
from wsgiapm.config.settings import OPTIONS, Option, Settings

__all__ = [
    "OPTIONS",
    "Option",
    "Problem",
    "Resolved",
    "Settings",
    "endpoint_is_local",
    "ingest_token",
    "parse_duration",
    "parse_size",
    "resolve",
    "shared_directory",
    "show_duration",
    "show_size",
    "spool_directory",
    "state_directory",
]
