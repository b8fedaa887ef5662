# SPDX-License-Identifier: Apache-2.0
"""The first five minutes of a newcomer: the app, the server, an open page, a first request."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.browser.reading import read_report
from tests.spine.test_whole_way import SITE, Client

if TYPE_CHECKING:
    from playwright.sync_api import Page

_SOON_MS = 15_000


def test_first_numbers_stand_in_an_open_page_within_fifteen_seconds(
    page: Page, server: Any, gunicorn_app: Callable[..., Any]
) -> None:
    """Without a reload the page shows, 15 s after the first request, just what was sent; default settings."""
    env = {"WSGIAPM_ENDPOINT": server.address}
    options = ["--workers", "3", "--worker-class", "gevent"]
    _, port = gunicorn_app("spine_site:application", *options, cwd=os.fspath(SITE), env=env)
    page.goto(server.report)
    client = Client(port)

    client.send_mix(2)

    page.wait_for_function(
        "n => Number(document.querySelector('[data-testid=tile-requests]')?.dataset.value) >= n",
        arg=1,
        timeout=_SOON_MS,
    )
    sent = client.books.total()
    page.wait_for_function(
        "n => Number(document.querySelector('[data-testid=tile-requests]')?.dataset.value) >= n",
        arg=sent,
        timeout=_SOON_MS,
    )
    report = read_report(page)
    assert report["tiles"]["requests"] == sent
    assert report["status_codes"] == {"200": 8, "404": 2, "500": 2}
    by_route = {name: row["requests"] for name, row in report["transactions"].items()}
    expected: dict[str, int] = {}
    for (route, _), count in client.books.items():
        expected[route] = expected.get(route, 0) + count
    assert by_route == expected
