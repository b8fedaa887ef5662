# SPDX-License-Identifier: Apache-2.0
"""Lines of all usual formats, and format strings."""

from __future__ import annotations

import pytest

from wsgiapm.access_log.entry import Entry
from wsgiapm.access_log.formats import Format
from wsgiapm.errors import ConfigError

TIME = 1795212000.0  # 2026-11-20 22:00:00 UTC
WHEN = "[20/Nov/2026:23:00:00 +0100]"


@pytest.mark.parametrize(
    "line",
    [
        f'10.0.0.1 - - {WHEN} "GET /a?b=1 HTTP/1.1" 200 12',
        f'10.0.0.1 - jo smith {WHEN} "GET /a?b=1 HTTP/1.1" 200 12 "-" "curl/8"',
        f'example.org:443 10.0.0.1 - - {WHEN} "GET /a?b=1 HTTP/2.0" 200 12 "https://x/\\"y\\"" "curl/8" 0.003 extra',
        f'web-1  | ::1 - - {WHEN} "GET /a?b=1 HTTP/1.0" 200 12 "-" "curl/8"',
    ],
    ids=["common", "combined", "vhost", "container"],
)
def test_usual_formats(line: str) -> None:
    """Common and combined lines are read whatever stands before and behind."""
    entry = Format().parse(line)

    assert entry == Entry(TIME, "GET", "/a?b=1", 200, 12, "curl/8" if "curl" in line else None, None)


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ('$remote_addr [$time_local] "$request" $status $body_bytes_sent', f'1.2.3.4 {WHEN} "GET /a HTTP/1.1" 200 12'),
        (
            '{"t":"$time_iso8601","m":"$request_method","u":"$request_uri","s":$status,"b":$body_bytes_sent}',
            '{"t":"2026-11-20T23:00:00+01:00","m":"GET","u":"/a","s":200,"b":12}',
        ),
        ("$msec ${request_method} $uri $status $body_bytes_sent", "1795212000.000 GET /a 200 12"),
        (
            '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" %D',
            f'h - - {WHEN} "GET /a HTTP/1.1" 200 12 "-" "-" 77',
        ),
        ('%h %t \\"%m %U%q\\" %s %B', f'h {WHEN} "GET /a?x" 200 12'),
        ("%(t)s %(m)s %(U)s %(s)s %(B)s", f"{WHEN} GET /a 200 12"),
    ],
    ids=["nginx", "json", "msec", "apache", "apache-path", "gunicorn"],
)
def test_format_strings(form: str, line: str) -> None:
    """Strings of nginx, Apache and gunicorn become what their servers write."""
    entry = Format(form).parse(line)

    assert entry is not None
    assert (entry.time, entry.method, entry.target.partition("?")[0], entry.status, entry.size) == (
        TIME,
        "GET",
        "/a",
        200,
        12,
    )


@pytest.mark.parametrize(
    ("upstream", "asked"),
    [("-", False), ("200", True), ("502, 200", True), ("- : 200", True), ("unix:/run/x.sock", True)],
)
def test_whether_nginx_asked_the_app(upstream: str, asked: bool) -> None:
    """An empty upstream means that nginx answered itself."""
    form = Format('[$time_local] "$request" $status $body_bytes_sent $upstream_status $request_time')

    entry = form.parse(f'{WHEN} "GET /a HTTP/1.1" 200 12 {upstream} 0.001')

    assert entry is not None
    assert entry.upstream is asked


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Traceback (most recent call last):",
        f'h - - {WHEN} "GET /a HTTP/1.1" OK 12',
        'h - - [32/Foo/2026:00:00:00 +0000] "GET /a HTTP/1.1" 200 1',
        'h - - [20/Nov/2026] "GET /a HTTP/1.1" 200 1',
        'h - - [99/Nov/2026:00:00:00 +0000] "GET /a HTTP/1.1" 200 1',
    ],
)
def test_what_is_no_line(line: str) -> None:
    """It is no entry, and no exception."""
    assert Format().parse(line) is None


def test_a_request_that_is_none() -> None:
    """TLS on a plain port has a status, and neither method nor path."""
    entry = Format().parse(f'h - - {WHEN} "\\x16\\x03\\x01" 400 150 "-" "-"')

    assert entry is not None
    assert (entry.method, entry.target, entry.status) == ("", "", 400)


@pytest.mark.parametrize("form", ["nonsense", "", "$remote_addr $status", "%h %r", "%(h)s"])
def test_a_format_without_what_is_needed(form: str) -> None:
    """It is refused, with what is missing."""
    with pytest.raises(ConfigError, match="format"):
        Format(form)
