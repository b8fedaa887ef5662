# SPDX-License-Identifier: Apache-2.0
"""Snapshot in, bytes out: each module writes one format and has no side effects."""
