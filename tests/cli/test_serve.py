# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm serve`, as far as the command line goes."""

from __future__ import annotations

import pytest


def test_the_defaults(wsgiapm, stand_in, tmp_path):
    """Loopback, a database in the state directory, a month, tokens that are made."""
    ran = wsgiapm("serve", program=stand_in)
    assert ran.returncode == 0
    assert ran.stdout.splitlines() == [
        "listen=127.0.0.1:4318",
        f"store=sqlite:///{tmp_path}/state/wsgiapm/report.db",
        "retention=30d",
        "token_file=None",
        "view_token_file=None",
        "hosts=[]",
    ]


def test_every_option_is_handed_on(wsgiapm, stand_in):
    """As it was given."""
    options = "--listen [::1]:0 --store sqlite:///x.db --retention 12h --token-file a --view-token-file b"
    hosts = "--host apm.example.com --host [fd00::1] --host xn--bcher-kva_2."
    ran = wsgiapm("serve", *options.split(), *hosts.split(), program=stand_in)
    assert ran.stdout.splitlines() == [
        "listen=[::1]:0", "store=sqlite:///x.db", "retention=12h", "token_file=a", "view_token_file=b",
        "hosts=['apm.example.com', 'fd00::1', 'xn--bcher-kva_2.']",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "address", ["4318", ":4318", "host", "host:", "host:99999", "::1:4318", "http://host:1", "a b:1", "host:-1"]
)
def test_an_address_that_is_none(wsgiapm, stand_in, address):
    """Called wrongly; one that would do is shown."""
    ran = wsgiapm("serve", f"--listen={address}", program=stand_in)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert f"argument --listen: {address!r} is not HOST:PORT, such as 127.0.0.1:4318 or [::1]:4318" in ran.stderr


@pytest.mark.parametrize(
    "name",
    ["", "http://apm.example.com", "apm.example.com:443", "*.example.com", "a b", "a..b", "b\xfccher.de", "fe80::1%lo"],
)
def test_a_host_that_is_none(wsgiapm, stand_in, name):
    """Called wrongly; a name is what a browser puts before the port."""
    ran = wsgiapm("serve", f"--host={name}", program=stand_in)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "is not a host name as browsers send it, such as apm.example.com" in ran.stderr


@pytest.mark.parametrize("age", ["30", "0", "month", "-1d"])
def test_a_retention(wsgiapm, stand_in, age):
    """It is a duration above zero."""
    ran = wsgiapm("serve", f"--retention={age}", program=stand_in)
    assert (ran.returncode == 0) == (age == "30")
    assert ran.returncode == 0 or f"argument --retention: {age!r} must be" in ran.stderr


def test_without_the_server_s_packages(wsgiapm, stand_in):
    """What to install is told."""
    ran = wsgiapm("serve", program=stand_in, env={"MISSING": "falcon.asgi"})
    assert ran.returncode == 1
    assert ran.stderr == (
        'wsgiapm: `wsgiapm serve` needs falcon.asgi, which is not installed; run: pip install "wsgiapm[server]"\n'
    )


def test_a_bad_setting(wsgiapm, stand_in):
    """Each one is named, with exit status 2."""
    ran = wsgiapm("serve", program=stand_in, env={"WSGIAPM_APDEX_T": "x", "WSGIAPM_ENDPOINT": "y"})
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "wsgiapm: apdex_t is 'x'" in ran.stderr
    assert "wsgiapm: endpoint is 'y'" in ran.stderr
