# SPDX-License-Identifier: Apache-2.0
"""The pages, built or not."""

from __future__ import annotations

import falcon
import pytest
from falcon import testing

from wsgiapm.report.access import Access
from wsgiapm.report.assets import Pages


def client_of(directory):
    """Return a client of the pages in a directory."""
    pages = Pages(Access("secret"), str(directory))
    app = falcon.App()
    app.add_route("/", pages)
    app.add_sink(pages.serve_file, "/")
    return testing.TestClient(app)


@pytest.fixture
def client(tmp_path):
    """A client of a user interface of a few files."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>report</title>")
    (tmp_path / "favicon.svg").write_text("<svg/>")
    (tmp_path / ".secret.txt").write_text("hidden")
    (tmp_path / "notes.bin").write_text("unknown")
    (tmp_path / "assets" / "index-BxY12a_c.js").write_text("let x = 1;\n" * 500)
    return client_of(tmp_path)


def test_the_shell_is_open_to_all(client):
    """It holds no data; whoever has no token gets the login from it. It is looked at anew each time."""
    answer = client.simulate_get("/")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert client.simulate_head("/").status_code == 200
    assert client.simulate_get("/", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_files_with_a_hash_in_their_name_are_kept_for_ever(client):
    """Their content never changes; they are compressed on the way."""
    answer = client.simulate_get("/assets/index-BxY12a_c.js", headers={"Accept-Encoding": "gzip"})

    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert client.simulate_get("/favicon.svg").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/../conftest.py",
        "/assets/../../x",
        "/%2e%2e/x",
        "/.secret.txt",
        "/notes.bin",
        "/assets/",
        "//etc/passwd",
    ],
)
def test_nothing_else_is_served(client, path):
    """Only what was found when the server started, by its exact path."""
    assert client.simulate_get(path).status_code == 404


def test_files_are_for_reading(client):
    """405 for whatever else."""
    assert client.simulate_post("/favicon.svg").status_code == 405


@pytest.mark.parametrize("missing", [True, False])
def test_without_the_user_interface_a_page_says_how_to_build_it(tmp_path, missing):
    """From a checkout that was not built; the server works all the same."""
    answer = client_of(tmp_path / "nothing" if missing else tmp_path).simulate_get("/")

    assert answer.status_code == 200
    assert "has not been built" in answer.text
    assert "make ui" in answer.text
