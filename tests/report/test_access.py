# SPDX-License-Identifier: Apache-2.0
"""Logging in, and staying logged in."""

from __future__ import annotations

import json

import pytest

from tests.report.conftest import INGEST, VIEW

FORM, JSON = "application/x-www-form-urlencoded", "application/json"


def login(site, body, content_type, **headers):
    """Post to /login."""
    return site.client.simulate_post("/login", body=body, headers={"Content-Type": content_type, **headers})


def cookie_header(answer):
    """Return the Cookie header a browser would send next."""
    (cookie,) = answer.cookies.values()
    return {"Cookie": f"{cookie.name}={cookie.value}"}


def test_json_is_answered_with_the_cookie(site):
    """What the page's own form does; the cookie opens the API."""
    answer = login(site, json.dumps({"token": VIEW}), JSON)

    assert answer.status_code == 204
    assert site.client.simulate_get("/api/v1/apps", headers=cookie_header(answer)).status_code == 200


def test_a_form_leads_to_the_report(site):
    """Without any script."""
    answer = login(site, f"token={VIEW}", FORM)

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert site.client.simulate_get("/api/v1/apps", headers=cookie_header(answer)).status_code == 200


def test_the_printed_address_logs_in_and_becomes_clean(site):
    """The token does not stay in the address, the rest of it does."""
    answer = site.client.simulate_get(f"/?token={VIEW}&app=shop&range=1h")

    assert (answer.status_code, answer.headers["location"]) == (303, "/?app=shop&range=1h")
    assert answer.headers["cache-control"] == "no-store"
    assert site.client.simulate_get("/api/v1/apps", headers=cookie_header(answer)).status_code == 200


@pytest.mark.parametrize("token", ["wrong", "", INGEST])
def test_a_wrong_token_in_the_address_leads_to_the_login(site, token):
    """No cookie, no error page."""
    answer = site.client.simulate_get("/", params={"token": token})

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert not answer.cookies


def test_the_cookie_is_for_the_browser_alone_and_is_not_the_token(site):
    """No script reads it, no other site sends it, and who steals it has not the token."""
    answer = login(site, json.dumps({"token": VIEW}), JSON)
    text = answer.headers["set-cookie"]

    assert "HttpOnly" in text
    assert "SameSite=Strict" in text
    assert "Path=/" in text
    assert "Secure" not in text
    assert VIEW not in text


def test_behind_https_the_cookie_is_secure(site):
    """When the proxy says so."""
    answer = site.client.simulate_post(
        "/login", body=json.dumps({"token": VIEW}), headers={"Content-Type": JSON}, protocol="https"
    )

    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("value", ["", "x", VIEW, "0" * 64])
def test_a_made_up_cookie_opens_nothing(site, value):
    """Neither does the token itself as the cookie's value."""
    (cookie,) = login(site, json.dumps({"token": VIEW}), JSON).cookies.values()

    assert site.client.simulate_get("/api/v1/apps", headers={"Cookie": f"{cookie.name}={value}"}).status_code == 401


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ('{"token": "wrong"}', JSON, 401),
        ("token=wrong", FORM, 401),
        ('{"token": "\\ud800"}', JSON, 401),
        ('{"token": 5}', JSON, 400),
        ("[]", JSON, 400),
        ("{", JSON, 400),
        ("", FORM, 400),
        (b"token=\xff", FORM, 400),
        ("token=%FF", FORM, 401),
        ("[" * 8000, JSON, 400),
        (f"token={VIEW}", "text/plain", 415),
        (f'{{"token": "{VIEW}"}}', "text/plain", 415),
        ("x" * 10_000, FORM, 413),
    ],
)
def test_other_logins_are_refused(site, body, content_type, status):
    """A wrong token, a body that is not what it claims, a content type a foreign page could send."""
    answer = login(site, body, content_type)

    assert answer.status_code == status
    assert answer.json["error"]["status"] == status
    assert not answer.cookies


def test_a_foreign_page_cannot_log_anybody_in(site):
    """Nor with the right token: the browser says where the request comes from."""
    answer = login(site, f"token={VIEW}", FORM, Origin="http://evil.example")

    assert answer.status_code == 403
    assert not answer.cookies
    assert login(site, f"token={VIEW}", FORM, Origin="null").status_code == 403
    assert login(site, f"token={VIEW}", FORM, Origin="http://localhost").status_code == 303
