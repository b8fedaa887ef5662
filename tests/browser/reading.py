# SPDX-License-Identifier: Apache-2.0
"""Reads the report as a person does, only exactly: the numbers behind what is drawn."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

TILES = ("p95", "throughput", "apdex", "error-rate", "requests")
CELLS = ("share", "requests", "rpm", "mean", "p95", "apdex", "errors")


def wait_until_drawn(page: Page) -> None:
    """Tiles, table and all charts have shown their first data."""
    page.wait_for_selector("html[data-ready=true]", state="attached")


def read_report(page: Page) -> dict[str, Any]:
    """The numbers on the page, as the API gave them.

    Returns:
        `tiles` (name: number or None), `status_codes` ({"200": n}), `status_classes` ({"2xx": n}), `late` (requests booked late),
        `transactions` ({name: {"requests": n, …, "status_codes": {…}}}, in the order of the table).
    """
    wait_until_drawn(page)
    codes = page.get_by_test_id("tile-status-codes")
    late = page.get_by_test_id("late-note")
    rows = page.get_by_test_id("transaction-row").all()
    return {
        "tiles": {name: _number(page.get_by_test_id(f"tile-{name}").get_attribute("data-value")) for name in TILES},
        "status_codes": json.loads(codes.get_attribute("data-codes") or "{}"),
        "status_classes": {
            str(entry.get_attribute("data-testid")).removeprefix("status-"): _number(entry.get_attribute("data-value"))
            for entry in codes.locator("[data-testid]").all()
        },
        "late": _number(late.get_attribute("data-value")) if late.count() else 0,
        "transactions": {
            str(row.get_attribute("data-name")): {
                **{name: _number(row.get_by_test_id(f"cell-{name}").get_attribute("data-value")) for name in CELLS},
                "status_codes": json.loads(row.get_attribute("data-codes") or "{}"),
            }
            for row in rows
        },
    }


def _number(text: str | None) -> int | float | None:
    if not text:
        return None
    value = float(text)
    return int(value) if value.is_integer() and "e" not in text else value
