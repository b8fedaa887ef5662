# SPDX-License-Identifier: Apache-2.0
"""What the page does when there is nothing, when it must log in, and when the server goes away."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch
from tests.browser.reading import read_report, wait_until_drawn
from tests.browser.sample import APPS, REQUESTS
from tests.browser.stub import Stub

REFRESH_MS = 5_100


def test_asks_for_the_token_and_takes_it(page: Page, stub: Stub, watch: Watch) -> None:
    """A wrong token is refused with a sentence; the right one opens the page that was asked for."""
    watch.allow("401")
    stub.token = "open sesame"
    page.goto(f"{stub.address}/?app=shop&lang=en&transaction=/search")
    expect(page.get_by_test_id("login")).to_contain_text("wsgiapm serve printed an address with a token")

    page.get_by_label("View token").fill("mellon")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("alert")).to_have_text("This is not the server's view token.")
    page.get_by_label("View token").fill(" open sesame ")
    page.keyboard.press("Enter")

    wait_until_drawn(page)
    expect(page.get_by_test_id("filter-chip")).to_contain_text("/search")


def test_asks_for_the_token_again_when_the_session_ends(page: Page, stub: Stub, watch: Watch) -> None:
    """A 401 in the middle of the day leads back to the login, not to an error."""
    watch.allow("401")
    page.clock.install()
    page.goto(f"{stub.address}/?app=shop&lang=en")
    wait_until_drawn(page)

    stub.token = "changed"
    page.clock.run_for(REFRESH_MS)

    expect(page.get_by_test_id("login")).to_be_visible()


@pytest.mark.parametrize(("language", "word"), [("en", "Three lines switch it on"), ("zh", "三行即可启用")])
def test_says_how_to_begin_and_notices_the_first_upload(page: Page, stub: Stub, language: str, word: str) -> None:
    """Without an application the page shows what to write; the first one appears without a reload."""
    stub.apps = []
    page.clock.install()
    page.goto(f"{stub.address}/?lang={language}")
    expect(page.get_by_test_id("no-apps")).to_contain_text(word)
    expect(page.get_by_test_id("no-apps")).to_contain_text("application = APMMiddleware(application)")
    expect(page.get_by_test_id("no-apps")).to_contain_text(f"WSGIAPM_ENDPOINT={stub.address}")

    stub.apps = list(APPS)
    page.clock.run_for(REFRESH_MS)

    assert read_report(page)["tiles"]["requests"] == REQUESTS
    assert "app=shop" in page.url


def test_names_an_application_that_is_not_there(page: Page, stub: Stub) -> None:
    """A link with a wrong name says so and offers the ones there are."""
    page.goto(f"{stub.address}/?app=shpo&lang=en")

    expect(page.get_by_test_id("unknown-app")).to_contain_text("There is no application “shpo” here")
    page.get_by_role("link", name="billing").click()
    wait_until_drawn(page)


def test_refreshes_by_itself_and_can_be_paused(page: Page, stub: Stub) -> None:
    """New numbers arrive every few seconds; paused, they stand still."""
    page.clock.install()
    page.goto(f"{stub.address}/?app=shop&lang=en")
    wait_until_drawn(page)

    stub.factor = 2
    page.clock.run_for(REFRESH_MS)
    expect(page.get_by_test_id("tile-requests")).to_have_attribute("data-value", str(2 * REQUESTS))
    page.get_by_test_id("refresh-state").click()
    expect(page.get_by_test_id("refresh-state")).to_have_attribute("data-state", "paused")
    page.wait_for_load_state("networkidle")
    asked = sum("summary" in path for path in stub.asked)
    page.clock.run_for(5 * REFRESH_MS)

    assert sum("summary" in path for path in stub.asked) == asked


def test_a_hidden_tab_asks_nothing_and_catches_up(page: Page, stub: Stub) -> None:
    """Nobody looks, nobody asks; the moment the tab is seen again it has the new numbers."""
    page.clock.install()
    page.goto(f"{stub.address}/?app=shop&lang=en")
    wait_until_drawn(page)
    page.evaluate(
        "Object.defineProperty(document, 'hidden', { get: () => window.covered, configurable: true }); window.covered = true"
    )
    page.wait_for_load_state("networkidle")

    asked = len(stub.asked)
    page.clock.run_for(5 * REFRESH_MS)
    assert len(stub.asked) == asked
    stub.factor = 3
    page.evaluate("window.covered = false; document.dispatchEvent(new Event('visibilitychange'))")

    expect(page.get_by_test_id("tile-requests")).to_have_attribute("data-value", str(3 * REQUESTS))


def test_keeps_the_numbers_while_the_server_is_silent(page: Page, stub: Stub, watch: Watch) -> None:
    """A note says since when; the data stays, nothing moves, and the note goes when the server is back."""
    watch.allow("ERR_EMPTY_RESPONSE")
    page.clock.install()
    page.goto(f"{stub.address}/?app=shop&lang=en")
    wait_until_drawn(page)
    before = page.get_by_test_id("transactions").bounding_box()

    stub.silent = True
    page.clock.run_for(REFRESH_MS)
    expect(page.get_by_test_id("silent-note")).to_contain_text("The server does not answer.")
    expect(page.get_by_test_id("tile-requests")).to_have_attribute("data-value", str(REQUESTS))
    assert page.get_by_test_id("transactions").bounding_box() == before
    stub.silent = False
    page.clock.run_for(REFRESH_MS)

    expect(page.get_by_test_id("silent-note")).to_be_hidden()
