# SPDX-License-Identifier: Apache-2.0
"""Real database servers for the example shop."""

from __future__ import annotations

from tests.databases import mariadb, postgresql

__all__ = ["mariadb", "postgresql"]
