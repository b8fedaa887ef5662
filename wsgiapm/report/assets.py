# SPDX-License-Identifier: Apache-2.0
"""The pages: the files the user interface was built into, or a page that says how to build it."""

from __future__ import annotations

import os
import re
from typing import NamedTuple
from urllib.parse import urlencode

import falcon

from wsgiapm.report.access import Access
from wsgiapm.report.answer import send

DIRECTORY = os.path.join(os.path.dirname(__file__), "static")
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
# The build puts a hash of the content into these names, so a name never means anything else.
_HASHED = re.compile(r"/assets/.*-[A-Za-z0-9_-]{8}\.[a-z0-9]+")
_FOREVER, _CHECKED = "public, max-age=31536000, immutable", "no-cache"
_NOT_BUILT = b"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>wsgiapm</title>
<h1>The report has not been built</h1>
<p>The server runs and collects. Its pages are missing because this is a checkout and not an installed package.
Build them with <code>make ui</code> (or <code>pip install .</code>) and start <code>wsgiapm serve</code> again.
<p>The data can be had as JSON: <a href="/api/v1/openapi.json">/api/v1/openapi.json</a>.
"""


class Asset(NamedTuple):
    """A file and how it is served."""

    body: bytes
    content_type: str
    cache: str


def load_assets(directory: str) -> dict[str, Asset]:
    """Return the files below a directory by their path in an address; only these are ever served."""
    assets: dict[str, Asset] = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            file = os.path.join(folder, name)
            path = "/" + os.path.relpath(file, directory).replace(os.sep, "/")
            content_type = _TYPES.get(os.path.splitext(name)[1])
            if content_type is None or "/." in path:
                continue
            with open(file, "rb") as stream:
                cache = _FOREVER if _HASHED.fullmatch(path) else _CHECKED
                assets[path] = Asset(stream.read(), content_type, cache)
    return assets


class Pages:
    """GET / and every file of the user interface. They hold no data, so they are shown to anybody.

    Args:
        access: sets the cookie when the address has the view token.
        directory: where the user interface was built to.
    """

    def __init__(self, access: Access, directory: str = DIRECTORY) -> None:
        self._access = access
        self._assets = load_assets(directory)
        self._home = self._assets.get("/index.html") or Asset(_NOT_BUILT, _TYPES[".html"], _CHECKED)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show the report; ``/?token=`` first sets the cookie and leads to the address without it."""
        token = req.params.get("token")
        if token is None:
            send(req, resp, *self._home[:2], cache=self._home.cache)
            return
        if isinstance(token, str) and self._access.is_token(token.strip()):
            self._access.grant(req, resp)
        rest = urlencode([(name, value) for name, value in req.params.items() if name != "token"], doseq=True)
        resp.status, resp.location = falcon.HTTP_303, f"/?{rest}" if rest else "/"
        resp.cache_control = ["no-store"]

    on_head = on_get

    def serve_file(self, req: falcon.Request, resp: falcon.Response, **_groups: str) -> None:
        """Serve a file of the user interface."""
        asset = self._assets.get(req.path)
        if asset is None:
            raise falcon.HTTPNotFound(description=f"there is nothing at {req.path}")
        if req.method not in ("GET", "HEAD"):
            raise falcon.HTTPMethodNotAllowed(["GET", "HEAD"])
        send(req, resp, *asset[:2], cache=asset.cache)
