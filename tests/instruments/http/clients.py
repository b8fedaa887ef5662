# SPDX-License-Identifier: Apache-2.0
"""The clients, each doing the same: one request, with a pool or without, and the status it got."""

from __future__ import annotations

import asyncio
import http.client
import urllib.request
from urllib.parse import urlsplit

import httpx
import requests
import urllib3


def by_requests(url, method="GET", headers=None, timeout=30):
    """Of the requests library."""
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, headers=headers, timeout=timeout).status_code


def by_urllib3(url, method="GET", headers=None, timeout=30):
    """Of urllib3, by way of its manager."""
    with urllib3.PoolManager(retries=urllib3.Retry(2, backoff_factor=0)) as pool:
        return pool.request(method, url, headers=headers, timeout=timeout).status


def by_urllib3_pool(url, method="GET", headers=None, timeout=30):
    """Of urllib3, by way of one pool."""
    parts = urlsplit(url)
    with urllib3.HTTPConnectionPool(parts.hostname, parts.port, retries=2) as pool:
        return pool.urlopen(method, parts.path, headers=headers, timeout=timeout).status


def by_http_client(url, method="GET", headers=None, timeout=30):
    """Of the standard library; it follows no redirects."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.request(method, parts.path, headers=headers or {})
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def by_urllib(url, method="GET", headers=None, timeout=30):
    """Of urllib, that stands upon it; each redirect is a request."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(
            urllib.request.Request(url, method=method, headers=headers or {}), timeout=timeout
        ) as response:
            response.read()
            return response.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def by_httpx(url, method="GET", headers=None, timeout=30):
    """Of httpx."""
    with httpx.Client(trust_env=False, follow_redirects=True) as client:
        return client.request(method, url, headers=headers, timeout=timeout).status_code


def by_httpx_async(url, method="GET", headers=None, timeout=30):
    """Of httpx, in a loop."""

    async def ask():
        async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as client:
            return (await client.request(method, url, headers=headers, timeout=timeout)).status_code

    return asyncio.run(ask())


ONE_A_CALL = (by_requests, by_urllib3, by_urllib3_pool, by_httpx, by_httpx_async)
CLIENTS = (*ONE_A_CALL, by_http_client, by_urllib)
