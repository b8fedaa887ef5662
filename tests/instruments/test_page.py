# SPDX-License-Identifier: Apache-2.0
"""docs/instruments.md."""

from __future__ import annotations

import os

from tests.instruments.page import page

DOCUMENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir, "docs", "instruments.md")


def test_the_document_is_what_the_table_says():
    """Names, versions, and what each records: python -m tests.instruments.page > docs/instruments.md."""
    with open(DOCUMENT, encoding="utf-8") as file:
        assert file.read() == page()
