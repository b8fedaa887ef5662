# SPDX-License-Identifier: Apache-2.0
"""A real Chromium that may talk to this machine only, and a page that must not complain."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, sync_playwright

from hatch_build import build_report
from tests.browser.stub import Server, Stub

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class Watch:
    """What the page did that it should not have done."""

    foreign: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)

    def allow(self, part: str) -> None:
        """Console errors that contain `part` belong to the test."""
        self.allowed.append(part)

    def gate(self, route: Route) -> None:
        """Let a request through only if it stays on this machine."""
        url = urllib.parse.urlsplit(route.request.url)
        if url.hostname == "127.0.0.1" or url.scheme in {"data", "blob"}:
            route.continue_()
        else:
            self.foreign.append(route.request.url)
            route.abort()

    def listen(self, message: ConsoleMessage) -> None:
        """Keep warnings and errors."""
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text}")

    def check(self) -> None:
        """Fail the test if anything is left that nobody allowed."""
        assert self.foreign == []
        assert [text for text in self.complaints if not any(part in text for part in self.allowed)] == []


@pytest.fixture(scope="session")
def built_report() -> None:
    """The pages as they are in the checkout."""
    build_report(ROOT)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of a module. Playwright's event loop runs as long, and others may need one of their own."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def stub(built_report: None) -> Iterator[Stub]:
    """A server with known numbers."""
    with Server() as server:
        yield server.stub


@pytest.fixture
def watch() -> Watch:
    """What `page` is checked for at the end of the test."""
    return Watch()


@pytest.fixture
def context_options(request: pytest.FixtureRequest) -> dict[str, object]:
    """Options of Playwright's context; parametrize it (`indirect`) for another width or theme."""
    defaults = {"viewport": {"width": 1440, "height": 900}, "locale": "en-GB", "color_scheme": "light"}
    return defaults | getattr(request, "param", {})


@pytest.fixture
def page(browser: Browser, watch: Watch, built_report: None, context_options: dict[str, object]) -> Iterator[Page]:
    """An empty page; `watch` is checked when the test function is through."""
    context = browser.new_context(**context_options)  # type: ignore[arg-type]
    context.route("**/*", watch.gate)
    opened = context.new_page()
    opened.set_default_timeout(15_000)
    opened.on("console", watch.listen)
    opened.on("pageerror", lambda error: watch.complaints.append(f"script: {error}"))
    yield opened
    context.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Nothing but this machine was asked for, nothing was written to the console, no script failed.

    Here and not in the fixture: by the time fixtures end, the server may be gone, and the page would rightly complain.
    """
    yield
    fixtures = getattr(item, "funcargs", {})
    if "page" in fixtures:
        fixtures["page"].context.close()
        fixtures["watch"].check()
