# SPDX-License-Identifier: Apache-2.0
"""Stress: real processes that are killed, stopped and forked at any instant, against an independent count."""

from __future__ import annotations

from tests.places import limited, mount, shared, tiny  # noqa: F401  # fixtures of these tests
