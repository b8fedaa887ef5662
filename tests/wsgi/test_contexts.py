# SPDX-License-Identifier: Apache-2.0
"""The current transaction is the one whose code is running, wherever and in whatever order bodies are iterated."""

from __future__ import annotations

import threading

import gevent
import pytest

from wsgiapm.middleware import KEY
from wsgiapm.transaction import current_transaction


def watching(seen, chunks=2):
    """An app that looks who is current, in the call, in its body and at its end."""

    def app(environ, start_response):
        def look():
            seen.append(current_transaction() is environ[KEY])

        def body():
            for _ in range(chunks):
                look()
                yield environ["PATH_INFO"].encode()
            look()

        look()
        start_response("200 OK", [])
        return body()

    return app


def on_thread(step):
    """Run a step on a thread of its own."""
    thread = threading.Thread(target=step)
    thread.start()
    thread.join()


def on_greenlet(step):
    """Run a step in a greenlet of its own."""
    gevent.spawn(step).get()


@pytest.mark.pitfall(20)
@pytest.mark.parametrize("elsewhere", [on_thread, on_greenlet])
def test_a_body_that_is_iterated_elsewhere_knows_its_transaction(elsewhere, watch, books, environ):
    """And nobody else there does, before, between or after; nor where the call was."""
    seen, others = [], []
    body = watch(watching(seen))(environ(), lambda *_: None)
    others.append(current_transaction())

    def iterate():
        others.append(current_transaction())
        others.extend(current_transaction() for _ in body)
        body.close()
        others.append(current_transaction())

    elsewhere(iterate)
    others.append(current_transaction())

    assert seen == [True] * 4
    assert others == [None] * 6
    assert books.requests == {("/", 200, None): 1}


@pytest.mark.pitfall(20)
def test_a_call_and_each_chunk_may_be_on_another_thread(watch, books, environ):
    """A pool hands a response from thread to thread."""
    seen, body = [], []
    on_thread(lambda: body.append(iter(watch(watching(seen))(environ(), lambda *_: None))))
    for _ in range(3):
        on_thread(lambda: next(body[0], None))

    assert seen == [True] * 4
    assert books.requests == {("/", 200, None): 1}


@pytest.mark.pitfall(21)
def test_bodies_by_turns_on_one_thread_know_their_own(watch, books, environ):
    """As with uwsgi's async, where all requests share one context."""
    seen = []
    app = watch(watching(seen))
    first, second = (iter(app(environ(path), lambda *_: None)) for path in ("/first", "/second"))
    for body in (first, second, second, first, first, second):
        next(body, None)

    assert seen == [True] * 8
    assert current_transaction() is None


@pytest.mark.pitfall(19)
def test_an_outer_body_that_iterates_an_inner_one_is_itself_again_after_each_chunk(watch, books, environ):
    """A sub-request of its own is current while its code runs, and only then."""
    inner_seen, outer_seen = [], []
    inner = watch(watching(inner_seen))

    def outer(values, start_response):
        start_response("200 OK", [])
        for chunk in inner(environ("/inner"), lambda *_: None):
            outer_seen.append(current_transaction() is values[KEY])
            yield chunk
        outer_seen.append(current_transaction() is values[KEY])

    assert list(watch(outer)(environ("/outer"), lambda *_: None)) == [b"/inner"] * 2
    assert inner_seen == [True] * 4
    assert outer_seen == [True] * 3
    assert books.requests == {("/outer", 200, None): 1, ("/inner", 200, None): 1}


def test_a_body_of_which_the_last_byte_is_out_runs_for_nobody(watch, books, environ):
    """It is counted by then: a name given now would be lost."""
    seen = []

    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "1")])
        yield b"x"
        seen.append(current_transaction())

    assert list(watch(app)(environ(), lambda *_: None)) == [b"x"]
    assert seen == [None]


def test_making_the_iterator_is_the_apps_code_too(watch, environ):
    """Some bodies do their work there."""
    seen = []

    class Lazy:
        def __init__(self, transaction):
            self.transaction = transaction

        def __iter__(self):
            seen.append(current_transaction() is self.transaction)
            return iter([b"x"])

    body = watch(lambda values, start: (start("200 OK", []), Lazy(values[KEY]))[1])(environ(), lambda *_: None)

    assert list(body) == [b"x"]
    assert seen == [True]


@pytest.mark.pitfall(25)
def test_one_middleware_serves_all_threads_at_once(watch, books, environ):
    """Nothing of a request is on the middleware: a hundred at once are a hundred, each with its own answer."""
    app, gate = watch(watching([])), threading.Barrier(10)
    answers = []

    def ask(number):
        gate.wait(30)
        path = f"/{'abcdefghij'[number]}"
        answers.extend(b"".join(app(environ(path), lambda *_: None)) for _ in range(10))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == sorted([f"/{letter}".encode() * 2 for letter in "abcdefghij"] * 10)
    assert books.requests == {(f"/{letter}", 200, None): 10 for letter in "abcdefghij"}
