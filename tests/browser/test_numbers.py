# SPDX-License-Identifier: Apache-2.0
"""The numbers on the page are the numbers of the API, whatever the language, the theme and the width."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch
from tests.browser.reading import read_report, wait_until_drawn
from tests.browser.sample import ERRORS, REQUESTS, ROUTES, codes_of
from tests.browser.stub import Stub

IN_EVERY_LOOK = pytest.mark.parametrize(
    ("context_options", "language", "word"),
    [
        pytest.param({"color_scheme": "light"}, "en", "Throughput", id="en-light"),
        pytest.param({"color_scheme": "dark"}, "en", "Throughput", id="en-dark"),
        pytest.param({"color_scheme": "light"}, "zh", "吞吐率", id="zh-light"),
        pytest.param({"color_scheme": "dark"}, "zh", "吞吐率", id="zh-dark"),
        pytest.param({"viewport": {"width": 390, "height": 844}}, "zh", "吞吐率", id="zh-narrow"),
    ],
    indirect=["context_options"],
)


@IN_EVERY_LOOK
def test_shows_the_numbers_of_the_api(page: Page, stub: Stub, language: str, word: str) -> None:
    """Tiles and table carry exactly what the API answered, and write it in the reader's language."""
    page.goto(f"{stub.address}/?lang={language}&test=1")

    found = read_report(page)

    assert found["tiles"]["requests"] == REQUESTS
    assert found["tiles"]["error-rate"] == ERRORS / REQUESTS
    assert found["tiles"]["apdex"] == 0.93
    assert sum(found["status_codes"].values()) == REQUESTS
    assert found["status_classes"] == {"2xx": 19_465, "3xx": 401, "4xx": 50, "5xx": ERRORS}
    rows = found["transactions"].items()
    assert {name: (row["requests"], row["errors"]) for name, row in rows} == {
        name: row[:2] for name, row in ROUTES.items()
    }
    assert {name: row["status_codes"] for name, row in rows} == {name: codes_of(name) for name in ROUTES}
    expect(page.get_by_test_id("tile-requests")).to_contain_text("20,000")
    expect(page.get_by_test_id("tile-throughput").get_by_role("heading")).to_have_text(word)


@IN_EVERY_LOOK
def test_every_text_has_contrast_and_fits(page: Page, stub: Stub, watch: Watch, language: str, word: str) -> None:
    """Text differs from its ground as WCAG AA asks, and nothing but the table scrolls sideways: on every kind of page."""
    stub.late = 17
    page.goto(f"{stub.address}/?lang={language}&transaction=/checkout/")
    wait_until_drawn(page)

    check_looks(page)
    page.get_by_test_id("range-picker").select_option("custom:")
    check_looks(page)
    page.goto(f"{stub.address}/?lang={language}&app=unknown")
    page.get_by_test_id("unknown-app").wait_for()
    check_looks(page)
    stub.apps = []
    page.reload()
    page.get_by_test_id("no-apps").wait_for()
    check_looks(page)
    watch.allow("401")
    stub.token = "needed"
    page.reload()
    page.get_by_test_id("login").wait_for()
    check_looks(page)


def test_charts_are_drawn_with_axes_and_described(page: Page, stub: Stub) -> None:
    """Each chart has lines and axis labels, and a sentence for those who do not see it."""
    page.goto(f"{stub.address}/?lang=en&test=1")
    wait_until_drawn(page)

    for name in ("duration", "throughput", "breakdown", "heatmap", "status-codes"):
        chart = page.get_by_test_id(f"chart-{name}")
        assert chart.locator("svg path").count() > 5, name
    expect(page.get_by_test_id("chart-duration").locator("svg")).to_contain_text("ms")
    expect(page.get_by_role("img", name="p95 between")).to_have_count(1)
    expect(page.get_by_role("img", name=" to ")).to_have_count(5)


def test_says_what_was_booked_late(page: Page, stub: Stub) -> None:
    """A note gives the number and explains it; without late requests there is none."""
    page.goto(f"{stub.address}/?lang=en")
    assert read_report(page)["late"] == 0

    stub.late = 1204
    page.reload()

    assert read_report(page)["late"] == 1204
    expect(page.get_by_test_id("late-note")).to_contain_text("1,204 of these requests were booked late")


def check_looks(page: Page) -> None:
    """The page as it is now can be read, and fits."""
    assert page.evaluate(TOO_FAINT) == []
    assert page.evaluate("document.documentElement.scrollWidth") == page.evaluate("innerWidth")


# The elements whose text is less than 4.5 (large text: 3) times as light, or dark, as what lies behind it.
TOO_FAINT = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return canvas.getImageData(0, 0, 1, 1).data };
  const light = (colour) => {
    const [r, g, b] = [...rgba(colour)].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) if (rgba(getComputedStyle(at).backgroundColor)[3] > 250) return getComputedStyle(at).backgroundColor;
    return '#fff';
  };
  const faint = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    const style = getComputedStyle(element);
    if (!own || !element.checkVisibility() || element.matches(':disabled, :disabled *, option')) continue;
    const [a, b] = [light(style.color), light(ground(element))].sort((x, y) => y - x);
    const needed = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    if ((a + 0.05) / (b + 0.05) < needed) faint.push(`${element.className} "${element.textContent}" ${((a + 0.05) / (b + 0.05)).toFixed(2)}`);
  }
  return faint;
}"""
