# SPDX-License-Identifier: Apache-2.0
"""An app that calls another one with each of the clients, and answers with its own trace id and what that one said."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
from urllib.parse import urlsplit

from wsgiapm import APMMiddleware, current_transaction


def by_requests(url):
    """Of requests."""
    import requests

    return requests.get(url, timeout=30).text


def by_urllib3(url):
    """Of urllib3."""
    import urllib3

    return urllib3.PoolManager().request("GET", url).data.decode()


def by_http_client(url):
    """Of the standard library."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    connection.request("GET", urlsplit(url).path)
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def by_httpx(url):
    """Of httpx."""
    import httpx

    return httpx.get(url, timeout=30).text


def by_httpx_async(url):
    """Of httpx, in a loop."""
    import httpx

    async def ask():
        async with httpx.AsyncClient() as client:
            return (await client.get(url, timeout=30)).text

    return asyncio.run(ask())


CLIENTS = {client.__name__: client for client in (by_requests, by_urllib3, by_http_client, by_httpx, by_httpx_async)}


def app(environ, start_response):
    """`/by_requests` calls the app at OTHER, which just answers."""
    client = CLIENTS.get(environ["PATH_INFO"].strip("/"))
    other = client(f"{os.environ['OTHER']}/callee") if client else ""
    body = json.dumps({"trace": current_transaction().trace_id, "other": other and json.loads(other)}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


application = APMMiddleware(app)
