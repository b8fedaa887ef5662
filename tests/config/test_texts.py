# SPDX-License-Identifier: Apache-2.0
"""Settings that are text."""

from __future__ import annotations

import pathlib

import pytest

from wsgiapm.config.texts import Address, Choice, Headers, Names, Path, Secret, Statuses, Text, UrlPath

BASE = "http://127.0.0.1:4318"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (BASE, BASE),
        (BASE + "/", BASE),
        ("https://apm.example.org/otlp/", "https://apm.example.org/otlp"),
        ("http://[::1]:4318", "http://[::1]:4318"),
        ("", ""),
    ],
)
def test_an_address_is_kept_without_its_last_slash(text, address):
    """Paths are appended to it; empty stays empty."""
    assert Address().parse(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "localhost:4318", "ftp://host", "http://", "http:///path", "//host", "host", "http://host:99999", "http://host:0",
        "http://ho st", "http://host\t:1", "http://host?x=1", "http://host#x", "http://[::1", "http://host:port",
    ],
)  # fmt: skip
def test_what_is_no_http_address_is_refused(text):
    """The message shows one that would do."""
    with pytest.raises(ValueError, match="for example http://127"):
        Address().parse(text)


def test_an_endpoint_has_no_password_in_it():
    """Credentials belong into settings that are kept secret."""
    with pytest.raises(ValueError, match="use license_key or headers"):
        Address().parse("http://user:secret@host")


@pytest.mark.parametrize("signal", ["metrics", "traces", "logs"])
def test_an_endpoint_is_the_base_address(signal):
    """A signal's own path at the end is a common mistake."""
    with pytest.raises(ValueError, match="base address"):
        Address().parse(f"{BASE}/v1/{signal}")


def test_the_password_of_a_proxy_is_not_shown():
    """It is kept in the value and left out of the text."""
    kind = Address(credentials=True)
    value = kind.parse("http://user:secret@proxy:3128")
    assert value == "http://user:secret@proxy:3128"
    assert kind.show(value) == "http://***@proxy:3128"


@pytest.mark.parametrize(
    "text", ["http://u:se/cr@et@host", "u:secret@host", "ftp://secret@x", "http://u:secret@ho\nst"]
)
def test_a_password_in_a_bad_address_is_not_shown(text):
    """A message about a bad address does not tell its password, however odd it is."""
    shown = Address().conceal(text)
    assert "***@" in shown
    assert "secret" not in shown
    assert "se/cr" not in shown


def test_a_secret_is_shown_as_set():
    """Nothing of it is in the text, bad or good."""
    assert Secret().show(Secret().parse("hush%(x)s")) == "(set, not shown)"
    assert Secret().show("") == ""
    assert Secret().conceal("hu sh") == "(set, not shown)"


@pytest.mark.parametrize("text", ["a b", "a\nb", "schlüssel", "a\x7f"])
def test_a_secret_fits_into_a_header(text):
    """What could not be sent is refused."""
    with pytest.raises(ValueError, match="printable ASCII"):
        Secret().parse(text)


@pytest.mark.parametrize("text", ["a\nb", "x" * 201, "\x00", "a\udcff"])
def test_a_text_is_one_printable_line(text):
    """Control characters, surrogates and very long names are refused."""
    with pytest.raises(ValueError, match="one line"):
        Text().parse(text)


def test_a_choice_knows_no_case():
    """The value is the word as the list has it."""
    assert Choice("DEBUG", "INFO").parse("info") == "INFO"
    with pytest.raises(ValueError, match="one of DEBUG, INFO"):
        Choice("DEBUG", "INFO").parse("verbose")


def test_a_relative_path_is_refused_where_it_matters():
    """The directory would differ with the working directory."""
    assert Path(absolute=True).parse("/x/y") == "/x/y"
    assert Path(absolute=True).parse("") == ""
    assert Path().parse("x/y") == "x/y"
    with pytest.raises(ValueError, match="absolute"):
        Path(absolute=True).parse("~/x")


def test_a_path_may_be_a_path_object():
    """As a keyword in Python code."""
    assert Path(absolute=True).parse(pathlib.Path("/x")) == "/x"


def test_a_path_may_have_to_exist(tmp_path):
    """A file that is missing is found at the start, not at the first upload."""
    file = tmp_path / "ca.pem"
    with pytest.raises(ValueError, match="not an existing file"):
        Path(existing=True).parse(str(file))
    file.touch()
    assert Path(existing=True).parse(str(file)) == str(file)


def test_a_word_may_stand_for_no_path():
    """log_file = stderr makes no file of that name."""
    assert Path(word="stderr").parse("stderr") == ""


@pytest.mark.parametrize("given", ["/a, /b", "\n/a\n/b\n", ["/a", "/b"], ("/a", "/b"), "/a,,/b,"])
def test_a_list_is_text_or_a_sequence(given):
    """Commas and line ends separate; empty items do not count."""
    assert Names(prefix="/").parse(given) == ("/a", "/b")


def test_items_of_a_list_may_have_to_start_alike():
    """The one that does not is named."""
    with pytest.raises(ValueError, match="'health' does not fit"):
        Names(prefix="/").parse("/a, health")


@pytest.mark.parametrize("text", ["metrics", "/a b", "/a?b"])
def test_a_url_path_starts_with_a_slash(text):
    """And is a path only."""
    with pytest.raises(ValueError, match="must start with /"):
        UrlPath().parse(text)


@pytest.mark.parametrize(
    ("given", "ranges"),
    [
        ("500-599", ((500, 599),)),
        ("500-599,404", ((500, 599), (404, 404))),
        ([404, "500 - 503"], ((404, 404), (500, 503))),
        (404, ((404, 404),)),
        ("", ()),
    ],
)
def test_statuses_are_ranges(given, ranges):
    """Single codes are ranges of one; none at all is allowed."""
    kind = Statuses()
    assert kind.parse(given) == ranges
    assert kind.parse(kind.show(ranges)) == ranges


@pytest.mark.parametrize("text", ["5xx", "599-500", "99", "1000", "500-", "500 599"])
def test_what_is_no_range_of_statuses_is_refused(text):
    """The item is named, and one that would do is shown."""
    with pytest.raises(ValueError, match="500-599, 404"):
        Statuses().parse(text)


@pytest.mark.parametrize("given", ["X-A=1, X-B=a=b", {"X-A": 1, "X-B": "a=b"}])
def test_headers_are_pairs(given):
    """Text or a mapping; a value may contain an equals sign."""
    assert Headers().parse(given) == (("X-A", "1"), ("X-B", "a=b"))


def test_the_values_of_headers_are_not_shown():
    """Their names are."""
    assert Headers().show((("X-Key", "secret"),)) == "X-Key=(set, not shown)"


@pytest.mark.parametrize("given", ["secret", "X A=secret", "=secret", {"X-A": "sec\r\nret"}, "X-A=sécret"])
def test_what_is_no_header_is_refused_without_showing_it(given):
    """The item is told by its number, since it may be secret."""
    with pytest.raises(ValueError, match="item 1") as caught:
        Headers().parse(given)
    assert "secret" not in str(caught.value)
    assert Headers().conceal(given) == "(set, not shown)"
