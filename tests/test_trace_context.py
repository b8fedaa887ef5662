# SPDX-License-Identifier: Apache-2.0
"""`traceparent`: what of it is believed, what is sent on, and that a request takes it up when it is asked."""

from __future__ import annotations

import re
from contextvars import copy_context
from threading import Thread

import pytest

from tests.test_imports import loaded_by
from wsgiapm import APMMiddleware, agent, current_transaction, stop
from wsgiapm.trace_context import Trace, read, write

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADER = f"00-{TRACE}-{PARENT}-01"


@pytest.mark.parametrize(
    ("header", "flags"),
    [
        (HEADER, "01"),
        (f" {HEADER}\t", "01"),
        (f"00-{TRACE}-{PARENT}-00", "00"),
        (f"00-{TRACE}-{PARENT}-03", "03"),
        (f"cc-{TRACE}-{PARENT}-03", "01"),
        (f"cc-{TRACE}-{PARENT}-01-what-the-future-brings", "01"),
    ],
)
def test_what_is_right_is_taken_with_its_flags(header, flags):
    """Of later versions, the one flag that stays what it is."""
    assert read(header) == Trace(TRACE, flags)


@pytest.mark.parametrize(
    "header",
    [
        None,
        7,
        "",
        "00",
        HEADER.upper(),
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"{HEADER}-more",
        f"{HEADER}.",
        f"{HEADER}\n",
        f"{HEADER},{HEADER}",
        f"00-{TRACE}x-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-1",
        f"00-{'٣' * 32}-{PARENT}-01",
        "x" * 10_000,
    ],
)
def test_what_is_wrong_is_not(header):
    """A new trace begins then."""
    assert read(header) is None


def test_what_is_sent_is_read_again():
    """In the form of version 00."""
    assert write(Trace(TRACE, "03"), PARENT) == f"00-{TRACE}-{PARENT}-03"
    assert read(write(Trace(TRACE, "03"), PARENT)) == Trace(TRACE, "03")


@pytest.fixture
def ask(tmp_path):
    """`ask(view, **environ)` returns what the view says of its transaction, which runs in a middleware of its own."""

    def call(view, **environ):
        found = []

        def app(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            body = view(found)
            return body if body is not None else [b"x"]

        wrapped = APMMiddleware(app, shared_dir=str(tmp_path / "shared"), endpoint="", harvest_mode="external")
        environ = {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": "/",
            "wsgi.url_scheme": "http",
            **environ,
        }
        body = wrapped(environ, lambda *_: None)
        list(body)
        getattr(body, "close", list)()
        return found

    yield call
    instances = [recorder.instance for recorder in agent.recorders()]
    stop()
    for instance in instances:
        instance.close()
    agent._process.agents.clear()


def test_a_request_belongs_to_the_trace_of_its_caller(ask):
    """Its own calls carry that on, each with a span of its own."""
    found = ask(lambda found: found.extend(current_transaction().traceparent() for _ in "12"), HTTP_TRACEPARENT=HEADER)

    assert [read(header) for header in found] == 2 * [Trace(TRACE, "01")]
    assert found[0] != found[1]
    assert PARENT not in "".join(found)


def test_a_request_without_a_right_header_begins_a_trace(ask):
    """Another one for each."""
    first, second = (
        ask(lambda found: found.append(current_transaction().traceparent()), HTTP_TRACEPARENT=header)[0]
        for header in ("nonsense", HEADER.upper())
    )

    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", first)
    assert first[3:35] != second[3:35]


def test_a_stream_knows_its_trace(ask):
    """When the middleware has long been left."""

    def view(found):
        found.append(None)
        found.append(current_transaction().trace_id)
        yield b"x"

    def lazily(found):
        return view(found)

    assert ask(lazily, HTTP_TRACEPARENT=HEADER)[-1] == TRACE


def test_threads_that_work_for_a_request_know_its_trace(ask):
    """They run in a copy of its context, while it waits."""

    def view(found):
        context = copy_context()
        thread = Thread(target=context.run, args=(lambda: found.append(current_transaction().trace_id),))
        thread.start()
        thread.join()

    assert ask(view, HTTP_TRACEPARENT=HEADER) == [TRACE]


def test_a_trace_is_the_same_whenever_it_is_asked_for(ask):
    """It is looked for once."""
    found = ask(lambda found: found.extend(current_transaction().trace_id for _ in "12"))

    assert found[0] == found[1] != TRACE


def test_reading_a_header_needs_no_other_library():
    """It is the request's process."""
    assert loaded_by("import wsgiapm.trace_context, wsgiapm.incoming") & {"gevent", "asyncio", "http.client"} == set()
