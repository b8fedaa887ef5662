# SPDX-License-Identifier: Apache-2.0
"""The only owner of outgoing sockets: posts OTLP bodies, and says what became of each.

`requests` is loaded at the first send and no earlier (it draws ssl in, which must not happen before gevent patches).
An Uploader belongs to one thread; after a fork the child makes a session of its own.

Source: OpenTelemetry protocol specification, "OTLP/HTTP" (answers, retries, throttling).
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import timezone
from random import SystemRandom
from typing import TYPE_CHECKING, Literal, NamedTuple

from wsgiapm import clock, log, otlp
from wsgiapm.concealment import conceal
from wsgiapm.config import endpoint_is_local
from wsgiapm.version import VERSION

if TYPE_CHECKING:
    import requests

_LEVEL, _AS_GZIP = 1, zlib.MAX_WBITS + 16
_OF_EACH_BODY = {
    "Content-Type": otlp.PROTOBUF_TYPE,
    "Content-Encoding": "gzip",
    "Accept-Encoding": "identity",
    "User-Agent": f"wsgiapm/{VERSION}",
}
_RETRIED = frozenset({429, 502, 503, 504})
_LONGEST_BACK_OFF, _LONGEST_RETRY_AFTER = 60.0, 300.0  # seconds
_LONGEST_ANSWER, _ANSWER_WITHIN_NS = 16 * 1024, 20 * 10**9  # bytes
_SHOWN = 300  # characters of a server's words in our log
# Not the generator that the user's program may have seeded and relies on.
_random = SystemRandom().random


def _compress(body: bytes) -> bytes:
    """Return `body` as gzip writes it. It is done in few large calls, which let other threads run meanwhile."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _AS_GZIP)
    return packer.compress(body) + packer.flush()


class Outcome(NamedTuple):
    """What became of one body: taken, taken in part, to be sent again later, or refused for good.

    `message` says why, or is the warning of a server that took everything; `status` is None when there was no answer.
    """

    kind: Literal["delivered", "partial", "retry", "rejected"]
    message: str
    status: int | None


class Uploader:
    """Posts bodies to one OTLP/HTTP endpoint.

    Args:
        endpoint: base address, such as `http://127.0.0.1:4318`, without a login in it.
        token: asked at every send, because a server started later may only then have made it; empty = none.
        headers: names and values of further headers; an Authorization among them takes the place of the token.
        proxy: address of the proxy for everything; empty = what the environment says.
        ca_file: file of certificates to trust; empty = what the environment says.
        timeout: seconds to connect, and seconds without a byte.
        monotonic, random: clock in nanoseconds; numbers from 0 to 1, for the jitter.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        token: Callable[[], str],
        headers: Iterable[tuple[str, str]] = (),
        proxy: str = "",
        ca_file: str = "",
        timeout: tuple[float, float] = (3.05, 10.0),
        monotonic: Callable[[], int] = clock.monotonic_ns,
        random: Callable[[], float] = _random,
    ) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._token = token
        self._headers = dict(headers)
        self._proxy = proxy
        self._plain = endpoint.lower().startswith("http:")
        self._stays_here = endpoint_is_local(endpoint) and (not proxy or endpoint_is_local(proxy))
        self._ca_file = ca_file
        self._timeout = timeout
        self._monotonic = monotonic
        self._random = random
        self._failures = self._not_before = self._pid = 0
        self._session: requests.Session | None = None
        self._secrets: list[str] = []
        self.server_date = ""  # as the last answer had it

    def send(self, path: str, body: bytes) -> Outcome:
        """Compress and post `body` to `path` below the endpoint, at once, also while `ready()` is False.

        Nothing that the network or the server does is raised.
        """
        try:
            import requests  # noqa: F401, PLC0415 - not before it is needed
            from urllib3.exceptions import HTTPError  # noqa: PLC0415
        except ImportError as failure:
            message = f"requests cannot be imported ({failure}): install it again, with the urllib3 it needs"
            return self._settle(Outcome("rejected", message, None))
        try:
            return self._settle(*self._post(path, body))
        except ValueError as failure:
            message = f"{self._endpoint} cannot be posted to ({failure}): correct the setting endpoint or proxy"
            return self._settle(Outcome("rejected", message, None))
        except (OSError, HTTPError) as failure:  # all of requests' exceptions are OSErrors
            return self._settle(Outcome("retry", f"{self._endpoint}: {_explain(failure)}", None))

    def ready(self) -> bool:
        """Return False while backing off."""
        return self._monotonic() >= self._not_before

    def headers(self) -> dict[str, str]:
        """Return the headers of a send; one that is set by name is sent as it is."""
        given = {**self._authorization(), **self._headers}
        self._secrets = [*given.values(), self._proxy]
        return {**given, **_OF_EACH_BODY}

    def close(self) -> None:
        """Close the connection; a later send opens another."""
        session, self._session = self._session, None
        if session is not None and self._pid == os.getpid():
            session.close()

    def _post(self, path: str, body: bytes) -> tuple[Outcome, float]:
        """Return the outcome and the seconds the server wants to be left alone."""
        response = self._open_session().post(
            self._endpoint + path,
            data=_compress(body),
            headers=self.headers(),
            timeout=self._timeout,
            proxies=dict.fromkeys(("http", "https"), self._proxy) if self._proxy else {},
            verify=self._ca_file or True,
            allow_redirects=False,
            stream=True,
        )
        with response:
            self.server_date = response.headers.get("Date", "")
            outcome = _judge(self._endpoint, response, self._read(response))
            return outcome, _seconds_to_wait(response.headers.get("Retry-After", ""), clock.time())

    def _open_session(self) -> requests.Session:
        if self._session is None or self._pid != os.getpid():
            self._session = _new_session()
            # A proxy from the environment is not asked for this machine's own address: it would see the token.
            self._session.trust_env = not (self._plain and self._stays_here)
            self._pid = os.getpid()
        return self._session

    def _authorization(self) -> dict[str, str]:
        token = self._token().strip()
        if not token or any(name.lower() == "authorization" for name in self._headers):
            return {}
        if self._plain and not self._stays_here:
            log.once(
                "uploader: token withheld",
                "WARNING",
                "the token is not sent to %s: over plain http it goes to this machine only; use an https endpoint",
                self._endpoint,
            )
            return {}
        if not (token.isascii() and token.isprintable()):
            log.once(
                "uploader: token unfit", "ERROR", "the token is not sent: HTTP cannot carry it; correct license_key"
            )
            return {}
        return {"Authorization": f"Bearer {token}"}

    def _read(self, response: requests.Response) -> bytes:
        """Return the start of the answer's body: a server can neither fill our memory nor hold us for long."""
        body = b""
        deadline = self._monotonic() + _ANSWER_WITHIN_NS
        for chunk in response.iter_content(512):
            body += chunk
            if len(body) >= _LONGEST_ANSWER or self._monotonic() > deadline:
                break
        return body[:_LONGEST_ANSWER]

    def _settle(self, outcome: Outcome, wait: float = 0.0) -> Outcome:
        """Log what the operator has to know, and set the time before which the next send would be too early."""
        outcome = outcome._replace(message=conceal(outcome.message, self._secrets))
        if outcome.kind == "retry":
            self._failures += 1
            delay = min(_LONGEST_BACK_OFF, 2.0 ** min(self._failures, 10)) * (1 + self._random()) / 2
            self._not_before = self._monotonic() + int(max(delay, wait) * 1e9)
            log.once("uploader: retry", "WARNING", "not uploaded, will be tried again: %s", outcome.message)
            return outcome
        if self._failures:
            log.once("uploader: back", "INFO", "%s answers again", self._endpoint)
        self._failures = self._not_before = 0
        if outcome.kind == "rejected":
            log.once(f"uploader: {outcome.status}", "ERROR", "upload refused: %s", outcome.message)
        elif outcome.message:
            log.once("uploader: message", "WARNING", "%s took the upload but says: %s", self._endpoint, outcome.message)
        return outcome


def _new_session() -> requests.Session:
    import requests  # noqa: PLC0415 - not before it is needed

    class Session(requests.Session):
        """A session that goes nowhere but to the address it was given."""

        def get_redirect_target(self, _resp: requests.Response) -> None:
            """Return None: a redirect is an answer like any other (requests would read its whole body)."""

    session = Session()
    # Without an `auth` of its own, requests puts a login from ~/.netrc in place of our Authorization header.
    session.auth = lambda request: request
    return session


def _judge(address: str, response: requests.Response, body: bytes) -> Outcome:
    status = response.status_code
    protobuf = response.headers.get("Content-Type", "").startswith(otlp.PROTOBUF_TYPE)
    if 200 <= status < 300:
        refused, reason = _partial_success(body) if protobuf else (0, "")
        if refused:
            return Outcome("partial", f"{refused} refused: {_one_line(reason)}", status)
        return Outcome("delivered", _one_line(reason), status)
    message = f"{address} answered {status}"
    if 300 <= status < 400:
        target = response.headers.get("Location", "")
        message += f", a redirect to {_one_line(target)!r}, which is not followed: put the final address in endpoint"
    elif status in (401, 403):
        sent = "Authorization" in response.request.headers
        message += (
            f": {'the token sent is not its own' if sent else 'no token was sent'}; set license_key to its ingest token"
        )
    elif status in (404, 405):
        message += ": no OTLP server is there; check the setting endpoint"
    if reason := _one_line(_status_message(body) if protobuf else body.decode("utf-8", "replace")):
        message += f" ({reason})"
    return Outcome("retry" if status in _RETRIED else "rejected", message, status)


def _partial_success(body: bytes) -> tuple[int, str]:
    try:
        return otlp.partial_success(body)
    except ValueError:
        return 0, ""  # a success is a success, whatever else was said


def _status_message(body: bytes) -> str:
    try:
        return otlp.status_message(body)
    except ValueError:
        return ""


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_SHOWN]


def _explain(failure: BaseException) -> str:
    """Return why a send failed, and what to look at."""
    causes = list(_causes(failure))
    names = {kind.__name__ for cause in causes for kind in type(cause).__mro__}
    reasons = [cause.strerror for cause in causes if isinstance(cause, OSError) and isinstance(cause.strerror, str)]
    reason = reasons[-1] if reasons else _one_line(str(failure))
    if "ProxyError" in names:
        return f"the proxy failed ({reason}): check the setting proxy or HTTP_PROXY, HTTPS_PROXY"
    if "gaierror" in names:
        return f"the host name does not resolve ({reason}): check the setting endpoint"
    if "ConnectionRefusedError" in names:
        return "nothing listens there: start the server (wsgiapm serve) or check the setting endpoint"
    if "SSLError" in names:
        return f"TLS failed ({reason}): check the setting ca_file"
    return reason


def _causes(failure: BaseException | None) -> Iterator[BaseException]:
    while failure is not None:
        yield failure
        failure = failure.__cause__ or failure.__context__


def _seconds_to_wait(retry_after: str, now: float) -> float:
    """Return what a Retry-After header asks for, in seconds from `now`, within reason."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - draws socket in, for a rare header

    value = retry_after.strip()
    if value.isdecimal():
        wait = float(value)
    else:
        try:
            date = parsedate_to_datetime(value)
            wait = date.replace(tzinfo=date.tzinfo or timezone.utc).timestamp() - now
        except (TypeError, ValueError, OverflowError):
            return 0.0
    return min(max(wait, 0.0), _LONGEST_RETRY_AFTER)
