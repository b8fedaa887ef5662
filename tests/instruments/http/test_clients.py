# SPDX-License-Identifier: Apache-2.0
"""What is recorded of the calls of HTTP clients: the same for all of them, once for each, and never their secrets."""

from __future__ import annotations

import socket

import pytest

from tests.instruments.http.clients import CLIENTS, ONE_A_CALL

METRIC = "http.client.request.duration"


@pytest.fixture(params=CLIENTS, ids=lambda client: client.__name__)
def client(request):
    """Each of the clients."""
    return request.param


def expected(server, status, method="GET"):
    """What a call is counted under."""
    return {
        "http.request.method": method,
        "http.response.status_code": status,
        "server.address": "127.0.0.1",
        "server.port": server.server_port,
    }


@pytest.mark.parametrize(("status", "error"), [(200, None), (204, None), (404, "404"), (503, "503")])
def test_a_call_is_one_row_with_its_status(client, server, recording, status, error):
    """However many libraries it goes through; from 400 on the status is the error (semantic conventions)."""
    assert client(f"{server.url}/status/{status}") == status

    [call] = recording.take()
    assert (call.operation.metric, call.attributes, call.error) == (METRIC, expected(server, status), error)


def test_calls_of_one_kind_are_one_operation(client, server, recording):
    """It is compared by identity."""
    for path in ("/a", "/b?secret=1"):
        client(f"{server.url}{path}")

    first, second = recording.take()
    assert first.operation is second.operation


def test_methods_are_told_apart_and_unknown_ones_are_other(client, server, recording):
    """As the semantic conventions have it, for anybody may make up methods."""
    for method in ("POST", "DELETE", "BREW"):
        client(f"{server.url}/x", method)

    assert [call.attributes["http.request.method"] for call in recording.take()] == ["POST", "DELETE", "_OTHER"]


@pytest.mark.parametrize("ask", ONE_A_CALL, ids=lambda client: client.__name__)
def test_redirects_are_part_of_the_call(ask, server, recording):
    """Its status is that of the last answer."""
    assert ask(f"{server.url}/redirect/2") == 200

    assert len(server.requests) == 3
    [call] = recording.take()
    assert call.attributes == expected(server, 200)


def test_a_body_that_comes_late_is_external_time(client, server, recording):
    """Whether it is waited for within the call or after it."""
    from wsgiapm.clock import monotonic_ns
    from wsgiapm.span import EXTERNAL
    from wsgiapm.transaction import CURRENT

    start = monotonic_ns()
    client(f"{server.url}/slow")

    assert CURRENT.get().breakdown.components(start, monotonic_ns())[EXTERNAL] > 190_000_000
    assert len(recording.take()) == 1


def test_a_server_that_is_not_there_is_an_error_of_its_kind(client, recording):
    """Counted once, with the address and the exception, and without a status; retries are part of the call."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(Exception, match=r".*") as raised:
            client(f"http://127.0.0.1:{port}/")

    [call] = recording.take()
    assert call.attributes == {"http.request.method": "GET", "server.address": "127.0.0.1", "server.port": port}
    kind = type(getattr(raised.value, "reason", raised.value) if client.__name__ == "by_urllib" else raised.value)
    assert call.error == (kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}")


def test_a_name_nobody_knows_is_an_error(client, recording):
    """It fails before there is a connection."""
    with pytest.raises(Exception, match=r".*"):
        client("http://nobody.invalid:8080/")

    [call] = recording.take()
    assert call.attributes["server.address"] == "nobody.invalid"
    assert call.error


def test_a_timeout_is_an_error(client, server, recording):
    """The server is still busy; no status is known."""
    with pytest.raises(Exception, match=r".*"):
        client(f"{server.url}/hang", "POST", timeout=0.3)

    [call] = recording.take()
    assert "http.response.status_code" not in call.attributes
    assert "imeout" in call.error or "imeout" in call.error.lower()


def test_what_stands_before_the_host_is_not_kept(server, recording):
    """Names and passwords in addresses."""
    from tests.instruments.http.clients import by_httpx, by_requests

    address = server.url.replace("http://", "http://user:pass%40word@")
    for ask in (by_requests, by_httpx):
        ask(f"{address}/status/200")

    for call in recording.take():
        assert call.attributes == expected(server, 200)
        assert "pass" not in call.name


def test_outside_of_a_transaction_nothing_is_recorded_or_sent(client, server, installed):
    """As with our own uploads, which run in a thread that has none."""
    assert client(f"{server.url}/status/200") == 200

    assert all("traceparent" not in {name.lower() for name in headers} for _, _, headers in server.requests)


def test_each_request_is_told_the_trace(client, server, recording):
    """Once, in the trace of the transaction."""
    from wsgiapm.transaction import CURRENT

    client(f"{server.url}/redirect/1")

    sent = [value for _, _, headers in server.requests for name, value in headers.items() if name == "traceparent"]
    assert len(sent) == len(server.requests)
    assert {value[3:35] for value in sent} == {CURRENT.get().trace_id}


def test_what_the_app_sends_itself_is_not_replaced(client, server, recording):
    """It may be part of another trace, or another agent's."""
    given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
    client(f"{server.url}/x", headers={"Traceparent": given})

    [(_, _, headers)] = server.requests
    assert [value for name, value in headers.items() if name.lower() == "traceparent"] == [given]


def test_objects_of_the_app_are_not_changed(server, recording):
    """A request that is sent again in another transaction belongs to that one's trace."""
    import httpx
    import requests

    prepared = requests.Request("GET", f"{server.url}/a").prepare()
    with requests.Session() as session:
        session.send(prepared)
    built = httpx.Request("GET", f"{server.url}/b")
    with httpx.Client(trust_env=False) as client:
        client.send(built)

    assert "traceparent" not in prepared.headers
    assert "traceparent" not in built.headers


def test_a_unix_socket_is_an_address_without_a_port(tmp_path, recording):
    """As Docker's clients make their connections."""
    import http.client
    from threading import Thread

    path = str(tmp_path / "socket")

    class Connection(http.client.HTTPConnection):
        def connect(self):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(path)

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()

        def answer():
            peer, _ = listening.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        thread = Thread(target=answer)
        thread.start()
        connection = Connection("localhost")
        connection.request("GET", "/info")
        assert connection.getresponse().status == 200
        connection.close()
        thread.join()

    [call] = recording.take()
    assert call.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "server.address": path,
    }


@pytest.mark.parametrize(
    ("url", "address", "port"),
    [
        ("https://pay.example/x", "pay.example", 443),
        ("http://Pay.Example?x", "pay.example", 80),
        ("http://u:p@pay.example:8080", "pay.example", 8080),
        ("http://u:p@x@pay.example/", "pay.example", 80),
        ("http://[::1]:81/", "::1", 81),
        ("http+unix://%2Fvar%2Frun%2Fdocker.sock/info", "/var/run/docker.sock", 0),
    ],
)
def test_addresses_are_read_from_urls(url, address, port):
    """Host and port, and nothing else."""
    from wsgiapm.instruments._http import place_of

    place = place_of(url)
    assert (place.address, place.port) == (address, port)


@pytest.mark.parametrize("url", ["", "/x", "pay.example", "http://", "http:///x", "http://a:x/", "http://:80/"])
def test_what_leads_nowhere_is_not_recorded(url):
    """The client says so."""
    from wsgiapm.instruments._http import place_of

    assert place_of(url) is None


def test_places_beyond_a_number_are_other(monkeypatch):
    """A crawler calls the whole world."""
    from wsgiapm.instruments import _http

    monkeypatch.setattr(_http, "_places", {})
    places = [_http.place(f"host{number}", 80) for number in range(300)]

    assert places[0] is _http.place("host0", 80)
    assert {place.address for place in places[200:]} == {"(other)"}
