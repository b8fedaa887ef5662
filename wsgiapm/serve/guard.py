# SPDX-License-Identifier: Apache-2.0
"""What every request must be and every answer must say, so that no foreign page can read or write here."""

from __future__ import annotations

from collections.abc import Container
from urllib.parse import urlsplit

import falcon

_PORTS = {"http": 80, "https": 443}
# Neither inline scripts nor inline styles, nor anything from elsewhere: what is shown comes from monitored apps.
_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """Falcon middleware: refuses unknown hosts and foreign origins, and sets the security headers.

    Args:
        hosts: the names the server may be called by.
    """

    def __init__(self, hosts: Container[str]) -> None:
        self._hosts = hosts

    def process_request(self, req: falcon.Request, _resp: falcon.Response) -> None:
        """Check Host and Origin.

        Raises:
            HTTPForbidden: one of them is not ours.
        """
        header = req.get_header("Host") or ""
        host = _split(f"http://{header}")
        if host is None or host[0] not in self._hosts:
            msg = f"Host {header!r} is not a name of this server; use the address that it printed when it started, or give --host to wsgiapm serve"
            raise falcon.HTTPForbidden(description=msg)
        origin = req.get_header("Origin")
        if origin is not None and not _is_same(origin, header):
            raise falcon.HTTPForbidden(description=f"Origin {origin!r} is another site than {header!r}")

    def process_response(
        self,
        _req: falcon.Request,
        resp: falcon.Response,
        _resource: object,
        _req_succeeded: bool,  # noqa: FBT001
    ) -> None:
        """Set the security headers."""
        resp.set_headers(_HEADERS)


def _is_same(origin: str, host: str) -> bool:
    scheme = origin.partition("://")[0].lower()
    # A proxy may speak TLS for us, so the scheme is the origin's; the port follows from it.
    return scheme in _PORTS and _split(origin) is not None and _split(origin) == _split(f"{scheme}://{host}")


def _split(address: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname or parts.path or parts.query or parts.fragment or parts.username is not None:
        return None
    return parts.hostname, _PORTS[parts.scheme] if port is None else port
