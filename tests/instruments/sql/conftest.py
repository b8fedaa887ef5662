# SPDX-License-Identifier: Apache-2.0
"""Real database servers, one of each for all tests of a process."""

from __future__ import annotations

from tests.databases import mariadb, postgresql

__all__ = ["mariadb", "postgresql"]
