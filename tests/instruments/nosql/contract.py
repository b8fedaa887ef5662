# SPDX-License-Identifier: Apache-2.0
"""What holds for the instrument of every cache, against a real server."""

from __future__ import annotations

import contextlib
import contextvars
import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

from wsgiapm import instruments
from wsgiapm.span import CACHE

_GREENLETS = """
from gevent import monkey; monkey.patch_all()
import gevent, json, sys
from collections import Counter
from tests.instruments.recording import Recording
from wsgiapm import instruments
instruments.install((), lambda: sys.exit("failed"))
{connect}
client = connect(*json.loads(sys.argv[1]))
def request(number):
    recording = Recording()
    with recording.transaction():
        for turn in range(number + 1):
            client.set(f"greenlet-{{number}}", str(turn))
            assert client.get(f"greenlet-{{number}}") in (str(turn), str(turn).encode())
    return recording.counts()
jobs = [gevent.spawn(request, number) for number in range(6)]
gevent.joinall(jobs, raise_error=True)
print([list(job.value.values()) for job in jobs] == [[n + 1, n + 1] for n in range(6)])
"""


@contextlib.contextmanager
def slow_server(answer):
    """A server that answers the first thing it is asked after a tenth of a second; gives its host and port."""

    def serve():
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            time.sleep(0.1)
            connection.sendall(answer)
            connection.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()


class CacheContract:
    """The tests; a library's class says by fixtures what it connects with.

    `client` is a client by TCP, `by_socket` one by the unix socket and `path` that; `broken` one of a server that is not
    there, whose calls raise `error`. `place` is what calls by TCP are counted under. `names` are what set and get are
    called. `connect` is the source of a function `connect(host, port)` that returns a client for all greenlets.
    """

    names = ("set", "get")
    connect: str

    def test_keys_and_values_are_not_recorded(self, recording, client, place):
        """Nothing but the command and the place."""
        client.set("walk-of-alice", "a-secret")
        assert client.get("walk-of-alice") in ("a-secret", b"a-secret")

        calls = recording.take()
        assert [call.name for call in calls] == list(self.names)
        for call in calls:
            assert call.attributes == {**place, "db.operation.name": call.name}
            assert call.error is None
            assert call.operation.component == CACHE
            assert call.operation.metric == "db.client.operation.duration"

    def test_a_unix_socket_is_an_address(self, recording, by_socket, path):
        """Its path, and no port."""
        by_socket.set("key", "1")

        [call] = recording.take()
        assert call.attributes["server.address"] == path
        assert "server.port" not in call.attributes

    def test_a_call_that_fails_is_counted_as_that(self, recording, broken, error):
        """With the type of the exception."""
        with pytest.raises(error):
            broken.get("key")

        [call] = recording.take()
        raised = error.__qualname__ if error.__module__ == "builtins" else f"{error.__module__}.{error.__qualname__}"
        assert (call.name, call.error) == (self.names[1], raised)

    def test_each_thread_records_its_calls(self, recording, client):
        """For the transaction of its context."""

        def work():
            for number in range(25):
                client.set(f"thread-{number}", "1")

        threads = [threading.Thread(target=contextvars.copy_context().run, args=(work,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert recording.counts() == Counter({self.names[0]: 100})

    def test_each_greenlet_records_its_calls(self, place):
        """For the request it runs, whichever connection of a pool it has."""
        done = subprocess.run(
            [
                sys.executable, "-c", _GREENLETS.format(connect=self.connect),
                json.dumps([place["server.address"], place["server.port"]]),
            ],
            capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip

        assert done.stdout.strip() == "True", done.stderr

    def test_without_a_transaction_nothing_is_recorded(self, recording, client):
        """A script uses the same library."""
        contextvars.Context().run(client.set, "key", "1")

        assert recording.take() == []

    def test_a_client_goes_on_when_the_instrument_goes(self, recording, client):
        """And when it comes back."""
        instruments.uninstall()
        client.set("key", "1")
        assert client.get("key") in ("1", b"1")
        assert recording.take() == []
        instruments.install((), lambda: None)
        client.set("key", "2")
        assert recording.names() == [self.names[0]]

    def test_wrong_use_fails_as_ever(self, recording, client):
        """As Python says it."""
        with pytest.raises(TypeError):
            client.set()

    def check_time(self, recording, get):
        """Hold the time of a slow call to what is measured around it, and give it to the cache."""
        with recording.transaction() as transaction:
            before = time.perf_counter_ns()
            get("key")
            took = time.perf_counter_ns() - before

        [call] = recording.take()
        assert call.nanoseconds == pytest.approx(took, rel=0.05)
        assert call.nanoseconds >= 100e6
        spent = transaction.breakdown.components(transaction.start, transaction.start + 10 * took)
        assert spent[CACHE] == call.nanoseconds
