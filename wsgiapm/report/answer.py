# SPDX-License-Identifier: Apache-2.0
"""Sends a body once: entity tags, so that polling costs little, and gzip."""

from __future__ import annotations

import gzip
from hashlib import blake2b

import falcon

_WORTH_COMPRESSING = 1024


def send(req: falcon.Request, resp: falcon.Response, body: bytes, content_type: str, *, cache: str) -> None:
    """Answer with a body, or with 304 if the client has it.

    Args:
        req: the request.
        resp: the response.
        body: the bytes, not compressed.
        content_type: their type.
        cache: the Cache-Control header.
    """
    tag = blake2b(body, digest_size=12).hexdigest()
    resp.etag = f'W/"{tag}"'
    resp.cache_control = [cache]
    resp.append_header("Vary", "Accept-Encoding")
    if any(known == "*" or str(known) == tag for known in req.if_none_match or ()):
        resp.status = falcon.HTTP_304
        return
    resp.content_type = content_type
    if len(body) >= _WORTH_COMPRESSING and _takes_gzip(req):
        body = gzip.compress(body, compresslevel=5, mtime=0)
        resp.set_header("Content-Encoding", "gzip")
    resp.data = body


def _takes_gzip(req: falcon.Request) -> bool:
    for part in (req.get_header("Accept-Encoding") or "").lower().split(","):
        coding, _, weight = part.partition(";")
        if coding.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
