# SPDX-License-Identifier: Apache-2.0
"""The server's socket, and by which names it may be called."""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
from collections.abc import Sequence
from ipaddress import ip_address

from wsgiapm.errors import ConfigError

_ADDRESS = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:\[\]/]*)):(?P<port>[0-9]{1,5})")
_LOCAL = ("localhost", "127.0.0.1", "::1")
_BACKLOG = 512
# A struct timeval of 20 seconds.
_PATIENCE = struct.pack("@ll", 20, 0)
_REASONS = {
    errno.EADDRINUSE: "another program listens there; stop it, or give --listen another port (0 takes any free one)",
    errno.EADDRNOTAVAIL: "this machine has no such address; give --listen one of its own, such as 127.0.0.1:4318",
    errno.EACCES: "ports below 1024 are for root; give --listen a higher one",
}


class Listener:
    """A listening socket.

    Args:
        address: ``HOST:PORT``; IPv6 in brackets; port 0 takes any free one.

    Raises:
        ConfigError: it is no such address, or cannot be listened at.
    """

    def __init__(self, address: str) -> None:
        match = _ADDRESS.fullmatch(address)
        if match is None or int(match["port"]) > 65535:
            raise ConfigError(f"listen {address!r} is not HOST:PORT; write 127.0.0.1:4318 or [::1]:4318")
        self.host = match["six"] or match["host"] or "0.0.0.0"  # noqa: S104 -- asked for by leaving it out
        self._socket = _open(self.host, int(match["port"]), address)
        self.ip = str(self._socket.getsockname()[0])
        self.port = int(self._socket.getsockname()[1])

    @property
    def is_wildcard(self) -> bool:
        """Whether it listens at every address of the machine."""
        return ip_address(self.ip.partition("%")[0]).is_unspecified

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return ip_address(self.ip.partition("%")[0]).is_loopback

    @property
    def base_address(self) -> str:
        """The address to open in a browser on this machine."""
        host = self.host
        if self.is_wildcard:
            host = "::1" if self._socket.family == socket.AF_INET6 else "127.0.0.1"
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    def detach(self) -> int:
        """Hand the descriptor over."""
        return self._socket.detach()

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()


class KnownHosts:
    """The names and addresses a request may call the server by: what else a browser sends was forged by a page's DNS.

    Args:
        listener: where the server listens.
        extra: further names, of a proxy in front.
    """

    def __init__(self, listener: Listener, extra: Sequence[str] = ()) -> None:
        self._names = {name.lower().rstrip(".") for name in (*_LOCAL, listener.host, listener.ip, *extra)}
        self._any_ip = listener.is_wildcard
        if self._any_ip:
            self._names.add(socket.gethostname().lower())

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        name = name.lower().rstrip(".")
        return name in self._names or (self._any_ip and _is_ip(name))


def _open(host: str, port: int, address: str) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as failure:
        raise ConfigError(f"listen {address!r} cannot be resolved: {failure}") from failure
    # Agents look for the server at 127.0.0.1, so that is what localhost means if there is a choice.
    family, kind, protocol, _, place = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        # Connections inherit these: a client that falls silent in mid-request must not keep a thread for ever.
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            listening.setsockopt(socket.SOL_SOCKET, option, _PATIENCE)
        # At once: two sockets may be bound to one port as long as neither listens.
        listening.listen(_BACKLOG)
    except OSError as failure:
        listening.close()
        reason = _REASONS.get(failure.errno or 0) or os.strerror(failure.errno or 0)
        raise ConfigError(f"cannot listen at {address}: {reason}") from failure
    return listening


def _is_ip(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
