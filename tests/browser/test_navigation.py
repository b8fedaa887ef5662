# SPDX-License-Identifier: Apache-2.0
"""The address is the state: what is clicked stands there, and a link or the back button brings it back."""

from __future__ import annotations

import re
import urllib.parse

import pytest
from playwright.sync_api import Page, expect

from tests.browser.reading import read_report, wait_until_drawn
from tests.browser.sample import REQUESTS, ROUTES
from tests.browser.stub import Stub

CHECKOUT = ROUTES["/checkout/"][0]


def query_of(page: Page) -> dict[str, str]:
    """The address's parameters."""
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page.url).query))


def names(page: Page) -> list[str]:
    """The transactions in the table, from the top."""
    return [str(row.get_attribute("data-name")) for row in page.get_by_test_id("transaction-row").all()]


@pytest.mark.parametrize("chart", ["duration", "throughput", "breakdown", "heatmap", "status-codes"])
def test_dragging_on_a_chart_zooms_the_whole_page(page: Page, stub: Stub, chart: str) -> None:
    """The dragged stretch becomes the range of the address and of every question to the server; back undoes it."""
    page.goto(f"{stub.address}/?app=shop&lang=en&last=1h")
    wait_until_drawn(page)
    page.get_by_test_id(f"chart-{chart}").scroll_into_view_if_needed()
    box = page.get_by_test_id(f"chart-{chart}").bounding_box()
    assert box is not None
    # From the first to the third quarter of the plot: half an hour.
    left, width = box["x"] + 56, box["width"] - 76
    page.mouse.move(left + width / 4, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(left + width * 3 / 4, box["y"] + 110, steps=3)
    stub.asked.clear()
    page.mouse.up()

    page.wait_for_url(re.compile("from="))
    query = query_of(page)
    assert int(query["to"]) - int(query["from"]) == pytest.approx(1800, abs=30)
    expect(page.locator("main")).to_have_attribute("aria-busy", "false")
    windows = {tuple(re.findall(r"(?:from|to)=(\d+)", path)) for path in stub.asked if "from=" in path}
    assert windows == {(query["from"], query["to"])}

    page.go_back()
    assert query_of(page)["last"] == "1h"


def test_clicking_a_transaction_filters_everything(page: Page, stub: Stub) -> None:
    """The tiles show one transaction, a chip names it and takes the filter away again."""
    page.goto(f"{stub.address}/?app=shop&lang=en")
    assert read_report(page)["tiles"]["requests"] == REQUESTS

    page.get_by_role("link", name="Show only /checkout/", exact=True).click()

    expect(page.get_by_test_id("tile-requests")).to_have_attribute("data-value", str(CHECKOUT))
    assert query_of(page)["transaction"] == "/checkout/"
    assert len(names(page)) == len(ROUTES)
    page.get_by_test_id("filter-chip").get_by_role("button").click()
    expect(page.get_by_test_id("tile-requests")).to_have_attribute("data-value", str(REQUESTS))
    expect(page.get_by_test_id("filter-chip")).to_have_count(0)

    page.go_back()
    expect(page.get_by_test_id("tile-requests")).to_have_attribute("data-value", str(CHECKOUT))


def test_a_link_shows_the_same_page(page: Page, stub: Stub) -> None:
    """Application, range, transaction, order, search and language all come from the address."""
    page.goto(
        f"{stub.address}/?app=shop&environment=staging&from=1790000000&to=1790003600&transaction=/search&sort=-p95&q=/&lang=zh"
    )

    found = read_report(page)

    assert found["tiles"]["requests"] == ROUTES["/search"][0]
    assert list(found["transactions"])[:2] == ["/reports/slow/", "/export.csv"]
    assert "(not found)" not in found["transactions"]
    expect(page.get_by_test_id("environment-picker")).to_have_value("staging")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    assert any("environment=staging" in path for path in stub.asked)


def test_sorts_by_every_column(page: Page, stub: Stub) -> None:
    """The first click puts the worst on top, the second turns it round."""
    page.goto(f"{stub.address}/?app=shop&lang=en")
    wait_until_drawn(page)

    for column, first in {
        "requests": "/products/",
        "mean": "/reports/slow/",
        "apdex": "/reports/slow/",
        "errors": "/checkout/",
        "name": "(not found)",
    }.items():
        page.get_by_test_id(f"sort-{column}").click()
        assert names(page)[0] == first, column
        before = names(page)
        page.get_by_test_id(f"sort-{column}").click()
        assert names(page)[0] != before[0], column

    assert query_of(page)["sort"] == "-name"


def test_the_search_box_filters_the_table_only(page: Page, stub: Stub) -> None:
    """Typing narrows the table at once and leaves the totals alone."""
    page.goto(f"{stub.address}/?app=shop&lang=en")
    wait_until_drawn(page)

    page.get_by_test_id("transaction-search").fill("PRODUCTS")

    expect(page.get_by_test_id("transaction-row")).to_have_count(2)
    expect(page.get_by_test_id("tile-requests")).to_have_attribute("data-value", str(REQUESTS))
    assert query_of(page)["q"] == "PRODUCTS"
    page.get_by_test_id("transaction-search").fill("nothing like it")
    expect(page.get_by_text("No transaction's name contains")).to_be_visible()


def test_pickers_change_the_address(page: Page, stub: Stub) -> None:
    """Application, environment and range can be chosen without a mouse; another application drops the filters of the first."""
    page.goto(f"{stub.address}/?app=shop&lang=en&transaction=/search")
    wait_until_drawn(page)

    page.get_by_test_id("range-picker").select_option("6h")
    page.get_by_test_id("environment-picker").select_option("staging")
    assert query_of(page) == {
        "app": "shop",
        "environment": "staging",
        "last": "6h",
        "transaction": "/search",
        "lang": "en",
    }

    page.get_by_test_id("app-picker").select_option("billing")
    assert query_of(page) == {"app": "billing", "last": "6h", "lang": "en"}
    expect(page.get_by_test_id("environment-picker")).to_have_count(0)


def test_a_range_can_be_typed(page: Page, stub: Stub) -> None:
    """The dialog takes two times and refuses an end before the start."""
    page.goto(f"{stub.address}/?app=shop&lang=en")
    wait_until_drawn(page)
    page.get_by_test_id("range-picker").select_option("custom:")

    page.get_by_label("From").fill("2026-09-21T14:00:00")
    page.get_by_label("To", exact=True).fill("2026-09-21T13:00:00")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("alert")).to_have_text("The end must lie after the start.")
    page.get_by_label("To", exact=True).fill("2026-09-21T15:30:00")
    page.get_by_role("button", name="Apply").click()

    query = query_of(page)
    assert int(query["to"]) - int(query["from"]) == 5400
    page.get_by_test_id("back-to-live").click()
    assert "from" not in query_of(page)


def test_the_window_is_stepped_by_keys(page: Page, stub: Stub) -> None:
    """`[` goes one window back, `]` forth again; in a text field they are letters."""
    page.goto(f"{stub.address}/?app=shop&lang=en&from=1790000000&to=1790003600")
    wait_until_drawn(page)

    page.keyboard.press("[")
    assert query_of(page)["to"] == "1790000000"
    page.keyboard.press("]")
    assert query_of(page)["from"] == "1790000000"
    page.get_by_test_id("transaction-search").press_sequentially("[")

    assert query_of(page)["from"] == "1790000000"
    assert query_of(page)["q"] == "["


def test_language_is_the_address_then_the_choice_then_the_browser(page: Page, stub: Stub) -> None:
    """The switch is remembered; an address that names a language wins over it."""
    page.goto(f"{stub.address}/?app=shop")
    expect(page.locator("html")).to_have_attribute("lang", "en")

    page.get_by_test_id("language-switch").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.goto(f"{stub.address}/?app=shop")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.goto(f"{stub.address}/?app=shop&lang=en")
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_theme_follows_the_system_until_one_is_chosen(page: Page, stub: Stub) -> None:
    """The button goes round system, light, dark, and the choice outlives a reload."""
    page.goto(f"{stub.address}/?app=shop")
    wait_until_drawn(page)
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")

    page.get_by_test_id("theme-switch").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_the_keyboard_reaches_the_numbers_first(page: Page, stub: Stub) -> None:
    """The first stop of the tab key skips the header, and a transaction is chosen with Enter."""
    page.goto(f"{stub.address}/?app=shop&lang=en")
    wait_until_drawn(page)

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.get_by_role("link", name="Show only /search").focus()
    page.keyboard.press("Enter")

    assert query_of(page)["transaction"] == "/search"
