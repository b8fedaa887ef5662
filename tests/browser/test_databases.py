# SPDX-License-Identifier: Apache-2.0
"""The page of databases: statements by the time they take, who sends them, from where; with mouse, keyboard and without eyes."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.reading import wait_until_drawn
from tests.browser.sample import PLAN, STATEMENTS
from tests.browser.stub import Stub
from tests.browser.test_navigation import query_of
from tests.browser.test_numbers import IN_EVERY_LOOK, check_looks

GOODS, PRICES, ORDERS, LINES, COUNT = STATEMENTS


def open_page(page: Page, stub: Stub, more: str = "") -> None:
    """Open the page in English and wait for its numbers."""
    page.goto(f"{stub.address}/?app=shop&lang=en&page=databases{more}")
    wait_until_drawn(page)


def texts(page: Page) -> list[str]:
    """The statements in the table, from the top."""
    return page.get_by_test_id("statement-row").locator(".sql").all_inner_texts()


def test_shows_the_numbers_of_the_api(page: Page, stub: Stub) -> None:
    """Statements and operations carry what the API answered, with their share of the whole."""
    open_page(page, stub)

    rows = page.get_by_test_id("statement-row")
    assert texts(page) == list(STATEMENTS)
    for row, (calls, seconds, *_) in zip(rows.all(), STATEMENTS.values(), strict=True):
        assert float(row.get_by_test_id("cell-calls").get_attribute("data-value") or 0) == calls
        assert float(row.get_by_test_id("cell-share").get_attribute("data-value") or 0) == seconds
    expect(rows.nth(0)).to_contain_text("62.1%")
    expect(rows.nth(0)).to_contain_text("/srv/shop/goods/views.py:48")
    expect(rows.nth(1)).to_contain_text("N+1")
    expect(rows.nth(1)).to_contain_text("/products/ + 2 more")
    expect(rows.nth(2).get_by_test_id("cell-errors")).to_have_text("3")
    operations = page.get_by_test_id("operation-row")
    assert [row.get_attribute("data-name") for row in operations.all()] == [
        "SELECT goods",
        "SELECT prices",
        "UPDATE orders",
        "INSERT order_lines",
        "SELECT orders",
    ]
    expect(operations.nth(0)).to_contain_text("shop @ db1.example:3306")


def test_the_details_of_a_statement(page: Page, stub: Stub) -> None:
    """A click shows who called, from where and the plan; the address has it, and back closes it again."""
    open_page(page, stub)
    page.get_by_test_id("statement-row").nth(0).click()
    detail = page.get_by_test_id("statement-detail")

    expect(detail).to_contain_text(GOODS)
    expect(detail).to_contain_text(PLAN.splitlines()[2].strip())
    expect(detail.get_by_test_id("site")).to_contain_text("goods.views.product_list")
    expect(detail.get_by_test_id("site")).to_contain_text("slow · /products/ · 2 hours ago")
    assert query_of(page)["statement"] == "mysql:0000000000000000"

    page.get_by_test_id("statement-row").nth(1).click()
    expect(detail).to_contain_text("N+1: 5,804 transactions sent this statement five times or more")
    expect(detail.get_by_test_id("site")).to_contain_text("51.6 ms in all")
    expect(detail.get_by_test_id("callers").locator("tbody tr")).to_have_count(3)
    expect(detail).to_contain_text("With explain_sql = true")
    page.go_back()
    expect(detail).to_contain_text(GOODS)
    page.get_by_role("button", name="Close the details").click()
    expect(detail).to_have_count(0)
    assert "statement" not in query_of(page)


def test_a_caller_leads_to_its_numbers(page: Page, stub: Stub) -> None:
    """Its link opens the overview of that transaction; a background task has none yet."""
    open_page(page, stub, "&statement=mysql:0000000000000002")
    callers = page.get_by_test_id("callers")
    expect(callers.get_by_role("link")).to_have_count(1)
    expect(callers).to_contain_text("send_invoices")

    callers.get_by_role("link", name="/checkout/").click()

    wait_until_drawn(page)
    expect(page.get_by_test_id("filter-chip")).to_contain_text("/checkout/")
    query = query_of(page)
    assert (query["transaction"], "page" in query, "statement" in query) == ("/checkout/", False, False)


def test_a_chosen_transaction_narrows_the_page(page: Page, stub: Stub) -> None:
    """Only what it calls is listed, and the page says whose the figures are."""
    open_page(page, stub, "&transaction=/checkout/")

    assert texts(page) == [PRICES, ORDERS, LINES]
    expect(page.get_by_test_id("operation-row")).to_have_count(3)
    expect(page.locator(".note-filtered")).to_contain_text("The figures are those of all who call it")
    page.get_by_test_id("filter-chip").get_by_role("button").click()
    expect(page.get_by_test_id("statement-row")).to_have_count(5)


def test_sorts_and_searches(page: Page, stub: Stub) -> None:
    """By every column, the worst on top; the search narrows at once."""
    open_page(page, stub)
    for column, first in {"calls": PRICES, "mean": ORDERS, "p95": ORDERS, "errors": ORDERS, "name": LINES}.items():
        page.get_by_test_id(f"sort-{column}").click()
        assert texts(page)[0] == first, column
    page.get_by_test_id("sort-share").click()
    assert texts(page)[0] == GOODS

    page.get_by_test_id("statement-search").fill("ORDERS")

    expect(page.get_by_test_id("statement-row")).to_have_count(2)
    expect(page.locator(".panel-statements [role=status]")).to_have_text("2 of 5")
    page.get_by_test_id("statement-search").fill("nothing like it")
    expect(page.get_by_text("No statement contains")).to_be_visible()


def test_pages_keep_the_time_and_drop_what_is_their_own(page: Page, stub: Stub) -> None:
    """The navigation leads from page to page; the range stays, a search and an order do not."""
    page.goto(f"{stub.address}/?app=shop&lang=en&last=6h&sort=-apdex&q=search&test=1")
    wait_until_drawn(page)

    page.get_by_role("link", name="Databases").click()

    expect(page.get_by_role("link", name="Databases")).to_have_attribute("aria-current", "page")
    expect(page.get_by_test_id("statement-row")).to_have_count(5)
    assert query_of(page) == {"app": "shop", "lang": "en", "last": "6h", "page": "databases", "test": "1"}
    page.get_by_role("link", name="Overview").click()
    wait_until_drawn(page)
    expect(page.get_by_test_id("chart-breakdown").locator("svg")).to_contain_text("ms")


def test_the_page_without_a_mouse(page: Page, stub: Stub) -> None:
    """Enter opens the details and the focus goes there; Escape closes them and it returns."""
    open_page(page, stub)
    link = page.get_by_test_id("statement-row").nth(1).get_by_role("link")
    link.focus()
    expect(link).to_have_attribute("aria-expanded", "false")

    page.keyboard.press("Enter")

    heading = page.get_by_role("region", name=re.compile("SELECT prices")).get_by_role("heading", level=2)
    expect(heading).to_be_focused()
    expect(link).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("statement-detail")).to_have_count(0)
    expect(link).to_be_focused()


def test_says_when_there_is_nothing(page: Page, stub: Stub) -> None:
    """An application without a database, or a quiet night."""
    stub.calls = False
    open_page(page, stub)

    expect(page.get_by_text("No database was called in this time range")).to_have_count(2)


def test_refreshes_without_losing_the_place(page: Page, stub: Stub) -> None:
    """New numbers arrive in the open details; the focus stays where it is."""
    page.clock.install()
    open_page(page, stub, "&statement=mysql:0000000000000001")
    page.get_by_test_id("statement-search").focus()

    stub.factor = 2
    page.clock.run_for(5_100)

    expect(page.locator(".figures")).to_contain_text("90,420")
    expect(page.get_by_test_id("statement-search")).to_be_focused()


@IN_EVERY_LOOK
def test_every_text_has_contrast_and_fits(page: Page, stub: Stub, language: str, word: str) -> None:
    """With and without details, in both themes and languages, wide and narrow."""
    page.goto(f"{stub.address}/?lang={language}&page=databases&transaction=/products/")
    wait_until_drawn(page)
    check_looks(page)
    page.get_by_test_id("statement-row").nth(1).click()
    expect(page.get_by_test_id("statement-detail")).to_be_visible()
    check_looks(page)
    expect(page.get_by_role("columnheader", name={"en": "p95", "zh": "平均"}[language]).first).to_be_attached()
    assert word
    page.get_by_test_id("statement-search").fill("none")
    check_looks(page)


@pytest.mark.parametrize("sql", ["<img src=x onerror=alert(1)>", "SELECT '" + "x" * 5000])
def test_any_text_is_only_text(page: Page, stub: Stub, monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    """A statement may contain anything, of any length."""
    monkeypatch.setitem(STATEMENTS, sql, (9, 999.0, {"/products/": 1.0}, "", None))
    open_page(page, stub, "&statement=mysql:0000000000000005")

    expect(page.get_by_test_id("statement-detail").locator("pre").first).to_have_text(sql)
    assert page.evaluate("document.documentElement.scrollWidth") == page.evaluate("innerWidth")
