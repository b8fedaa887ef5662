# SPDX-License-Identifier: Apache-2.0
"""Who may read the report: the view token as bearer, or the cookie that stands for it."""

from __future__ import annotations

import hmac
import json
from hashlib import sha256
from urllib.parse import parse_qs

import falcon

_MAX_AGE_S = 30 * 86400
_LARGEST_LOGIN = 8192
_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"


class Access:
    """Checks requests for the view token.

    Args:
        token: the view token.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        # The browser keeps a digest, not the token. Cookies are shared by all ports of a host, so the name tells
        # servers apart.
        self._cookie = hmac.digest(self._token, b"wsgiapm report cookie", sha256).hex()
        self._name = "wsgiapm_" + hmac.digest(self._token, b"wsgiapm report cookie name", sha256).hex()[:12]

    def is_token(self, given: str) -> bool:
        """Whether this is the view token."""
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self._token)

    def require(self, req: falcon.Request) -> None:
        """Let the request pass if it has the token.

        Raises:
            HTTPUnauthorized: it has not.
        """
        scheme, _, given = (req.auth or "").partition(" ")
        if scheme.lower() == "bearer" and self.is_token(given.strip()):
            return
        cookies = req.get_cookie_values(self._name) or []
        if any(hmac.compare_digest(cookie.encode(), self._cookie.encode()) for cookie in cookies):
            return
        msg = "the view token is missing or wrong; open the address that `wsgiapm serve` printed, or log in with the token"
        raise falcon.HTTPUnauthorized(description=msg, challenges=["Bearer"])

    def grant(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Set the cookie."""
        resp.set_cookie(
            self._name,
            self._cookie,
            max_age=_MAX_AGE_S,
            path="/",
            secure=req.scheme == "https",
            http_only=True,
            same_site="Strict",
        )


class Login:
    """POST /login: takes the view token as the field ``token`` of a form or of JSON, and sets the cookie.

    Args:
        access: knows the token.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer 204 to JSON, and lead a form to the report."""
        content_type = (req.content_type or "").partition(";")[0].strip().lower()
        if content_type not in (_FORM, _JSON):
            msg = f"Content-Type is {req.content_type!r}; a login is {_JSON} or {_FORM}"
            raise falcon.HTTPUnsupportedMediaType(description=msg)
        body = req.bounded_stream.read(_LARGEST_LOGIN + 1)
        if len(body) > _LARGEST_LOGIN:
            raise falcon.HTTPContentTooLarge(description=f"a login is at most {_LARGEST_LOGIN} bytes")
        token = _token_of(body, content_type)
        if not self._access.is_token(token):
            raise falcon.HTTPUnauthorized(description="token: this is not the view token", challenges=["Bearer"])
        self._access.grant(req, resp)
        if content_type == _FORM:
            resp.status, resp.location = falcon.HTTP_303, "/"
        else:
            resp.status = falcon.HTTP_204


def _token_of(body: bytes, content_type: str) -> str:
    try:
        fields = json.loads(body) if content_type == _JSON else parse_qs(body.decode(), max_num_fields=20)
    except (ValueError, RecursionError) as failure:
        msg = f"the body is not the {content_type} that it claims to be"
        raise falcon.HTTPBadRequest(description=msg) from failure
    token = fields.get("token") if isinstance(fields, dict) else None
    token = token[0] if isinstance(token, list) and token else token
    if not isinstance(token, str):
        raise falcon.HTTPBadRequest(description="token: is missing")
    return token.strip()
