# SPDX-License-Identifier: Apache-2.0
"""The listening socket, and the names it may be called by."""

from __future__ import annotations

import socket

import pytest

from wsgiapm.errors import ConfigError
from wsgiapm.serve.listening import KnownHosts, Listener


@pytest.fixture
def listen():
    """A function that makes a listener, closed again at the end."""
    made = []

    def make(address):
        made.append(Listener(address))
        return made[-1]

    yield make
    for listener in made:
        listener.close()


def has_ipv6():
    """Whether this machine has an IPv6 loopback."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")


@pytest.mark.parametrize(
    ("address", "base", "wildcard", "local"),
    [
        ("127.0.0.1:0", "http://127.0.0.1:", False, True),
        ("localhost:0", "http://localhost:", False, True),
        ("0.0.0.0:0", "http://127.0.0.1:", True, False),
        (":0", "http://127.0.0.1:", True, False),
        pytest.param("[::1]:0", "http://[::1]:", False, True, marks=ipv6),
        pytest.param("[::]:0", "http://[::1]:", True, False, marks=ipv6),
    ],
)
def test_addresses(listen, address, base, wildcard, local):
    """The address to open is one a browser on this machine can reach; port 0 becomes a real one."""
    listener = listen(address)

    assert listener.base_address == f"{base}{listener.port}"
    assert listener.port > 0
    assert (listener.is_wildcard, listener.is_local) == (wildcard, local)


def test_localhost_is_where_agents_look(listen):
    """Their default is 127.0.0.1, also where localhost has IPv6 first."""
    assert listen("localhost:0").ip == "127.0.0.1"


@pytest.mark.parametrize(
    "address", ["", "4318", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "::1:80", "http://x:80"]
)
def test_what_is_no_address_is_refused(address):
    """With an example."""
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:4318"):
        Listener(address)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("no-such-host.invalid:0", "cannot be resolved"),
        (f"{'x' * 70}.invalid:0", "resolved"),
        ("203.0.113.1:0", "its own"),
    ],
)
def test_what_cannot_be_listened_at_is_refused(address, reason):
    """A name that does not resolve, an address of another machine."""
    with pytest.raises(ConfigError, match=reason):
        Listener(address)


def test_a_port_in_use_is_refused(listen):
    """The message says what to do."""
    taken = listen("127.0.0.1:0")

    with pytest.raises(ConfigError, match="another program listens there"):
        Listener(f"127.0.0.1:{taken.port}")


def test_only_names_of_the_server_are_known(listen):
    """Loopback names, the address itself and what was given; nothing a foreign DNS server could answer for."""
    hosts = KnownHosts(listen("127.0.0.1:0"), ["apm.example.com"])

    for name in ("localhost", "LOCALHOST", "localhost.", "127.0.0.1", "::1", "apm.example.com"):
        assert name in hosts
    for name in ("", "evil.example", "10.0.0.1", "localhost.evil.example", socket.gethostname() + ".evil.example"):
        assert name not in hosts


def test_a_wildcard_has_all_the_machines_addresses(listen):
    """Any IP address cannot be a foreign page's name; names are still only ours."""
    hosts = KnownHosts(listen("0.0.0.0:0"))

    for name in ("10.0.0.1", "fe80::1", "localhost", socket.gethostname()):
        assert name in hosts
    assert "evil.example" not in hosts
