# SPDX-License-Identifier: Apache-2.0
"""Whatever an app returns reaches the server as it was meant, and is recorded once when it ends."""

from __future__ import annotations

import io
import threading
import wsgiref.util

import gunicorn.http.wsgi
import pytest
import waitress.buffers

from wsgiapm.body import Body

OK = ("/", 200, None)


def app_of(body, *, headers=(), status="200 OK"):
    """An app that answers with this body."""

    def app(environ, start_response):
        start_response(status, list(headers))
        return body() if callable(body) else body

    return app


@pytest.mark.pitfall(8)
@pytest.mark.parametrize("body", [[b"hello"], (b"hello",), [b"hel", b"", b"lo"], [], ()])
def test_a_list_is_returned_as_the_same_object_and_recorded_before_it_is_sent(body, watch, books, environ):
    """Servers send a list at one go and know its length; it has ended when the app returns."""
    returned = watch(app_of(body))(environ(), lambda status, headers: None)

    assert returned is body
    assert books.requests == {OK: 1}
    assert books.size == sum(map(len, body))
    assert books.running == 0


def test_a_list_of_what_is_no_bytes_is_left_to_the_server(watch, books, environ):
    """It is the server that says what is wrong with it; we still count the request."""
    body = [b"a", None]

    assert watch(app_of(body))(environ(), lambda status, headers: None) is body
    assert books.requests == {OK: 1}
    assert books.failures == []


class Complete:
    """A response that says that it has all of its content, as Django's HttpResponse does."""

    streaming = False
    content = b"all of it"

    def __iter__(self):
        return iter([self.content])


def test_a_response_that_has_all_its_content_is_recorded_like_a_list(watch, books, environ):
    """Nothing is put between it and the server, and its size is known."""
    body = Complete()

    assert watch(app_of(body))(environ(), lambda status, headers: None) is body
    assert books.requests == {OK: 1}
    assert books.size == len(Complete.content)


def test_a_response_whose_content_cannot_be_read_is_still_recorded(watch, books, environ):
    """What goes wrong while we look is ours alone."""

    class Broken(Complete):
        @property
        def content(self):
            raise RuntimeError("not rendered")

    body = Broken()

    assert watch(app_of(body))(environ(), lambda status, headers: None) is body
    assert books.requests == {OK: 1}
    assert [str(failure) for failure in books.failures] == ["not rendered"]


class Slotted:
    """A file wrapper that takes no attributes, as that of mod_wsgi, which is written in C."""

    __slots__ = ("blksize", "filelike")

    def __init__(self, filelike, blksize=8192):
        self.filelike = filelike
        self.blksize = blksize

    def __iter__(self):
        return iter(self.filelike.read, b"")

    def close(self):
        """Close the file."""
        self.filelike.close()


class Counting(io.BytesIO):
    """A file that counts how often it is closed."""

    def __init__(self, data):
        super().__init__(data)
        self.closings = 0

    def close(self):
        """Count."""
        self.closings += 1
        super().close()


WRAPPERS = [wsgiref.util.FileWrapper, gunicorn.http.wsgi.FileWrapper, waitress.buffers.ReadOnlyFileBasedBuffer]


@pytest.mark.pitfall(1)
@pytest.mark.parametrize("wrapper", WRAPPERS, ids=["wsgiref", "gunicorn", "waitress"])
def test_a_servers_file_wrapper_stays_itself(wrapper, watch, books, environ):
    """The server recognises its own class and uses sendfile; the request ends with `close`, which closes the file once."""
    file = Counting(b"x" * 10)
    bodies = []

    def app(environ, start_response):
        start_response("200 OK", [("content-length", "10")])
        bodies.append(environ["wsgi.file_wrapper"](file))
        return bodies[0]

    body = watch(app)(environ(**{"wsgi.file_wrapper": wrapper}), lambda status, headers: None)

    assert body is bodies[0]
    assert type(body) is wrapper
    assert (books.running, books.requests) == (1, {})
    body.close()
    body.close()
    assert file.closings == 1
    assert (books.running, books.requests, books.size) == (0, {OK: 1}, 10)


def test_a_file_that_is_closed_refers_to_nothing_of_ours(watch, environ):
    """It goes when its last user lets go of it, not when the garbage collector comes by."""
    import gc
    import weakref

    class Wrapper(wsgiref.util.FileWrapper):
        pass

    body = watch(app_of(lambda: Wrapper(io.BytesIO(b"x"))))(
        environ(**{"wsgi.file_wrapper": Wrapper}), lambda status, headers: None
    )
    there = weakref.ref(body)
    gc.disable()
    try:
        body.close()
        del body
        assert there() is None
    finally:
        gc.enable()


def make_slotted(file):
    """Give out an object of that class, as mod_wsgi does."""
    return Slotted(file)


@pytest.mark.pitfall(1)
@pytest.mark.parametrize("wrapper", [Slotted, make_slotted], ids=["class", "function"])
def test_mod_wsgis_file_wrapper_stays_itself(wrapper, watch, books, environ):
    """A class that takes no attributes, given out by a function: what we cannot see the end of is counted at once."""
    file = Counting(b"x")
    body = watch(app_of(lambda: wrapper(file)))(environ(**{"wsgi.file_wrapper": wrapper}), lambda status, headers: None)

    assert type(body) is Slotted
    assert (books.running, books.requests, books.failures) == (0, {OK: 1}, [])
    body.close()
    assert file.closings == 1


@pytest.mark.pitfall(1, 2)
def test_uwsgis_file_wrapper_is_a_function_and_gets_its_object_back(watch, books, environ, tmp_path):
    """That of uWSGI returns what it is given and compares pointers; isinstance with it would raise. A file takes attributes."""
    path = tmp_path / "file"
    path.write_bytes(b"content")
    with open(path, "rb") as file:
        body = watch(app_of(lambda: file))(
            environ(**{"wsgi.file_wrapper": lambda given, size=0: given}), lambda status, headers: None
        )

        assert body is file
        assert (books.running, books.requests) == (1, {})
        body.close()
        assert file.closed
        assert (books.running, books.requests, books.failures) == (0, {OK: 1}, [])


@pytest.mark.pitfall(1, 2)
def test_what_can_only_be_read_is_given_to_uwsgi_as_it_is(watch, books, environ):
    """Uwsgi takes an object that has `read` and nothing else."""

    class Readable:
        def __init__(self):
            self.closed = 0

        def read(self, size=-1):
            return b""

        def close(self):
            self.closed += 1

    readable = Readable()
    body = watch(app_of(readable))(environ(**{"wsgi.file_wrapper": lambda given: given}), lambda status, headers: None)

    assert body is readable
    assert (books.running, books.requests) == (1, {})
    body.close()
    assert (readable.closed, books.running, books.requests) == (1, 0, {OK: 1})


@pytest.mark.parametrize(
    "body", [b"whole", "text", bytearray(b"whole"), memoryview(b"whole")], ids=lambda b: type(b).__name__
)
def test_a_string_is_no_iterable_of_chunks(body, watch, books, environ):
    """Uwsgi sends it whole; the other servers complain, about just this object."""
    assert watch(app_of(body))(environ(), lambda status, headers: None) is body
    assert (books.running, books.requests, books.size) == (0, {OK: 1}, len(body))


@pytest.mark.pitfall(5)
def test_what_can_only_be_indexed_is_iterated(watch, books, serve):
    """The old protocol is one that servers know."""

    class Indexed:
        def __getitem__(self, index):
            return (b"a", b"b")[index]

    assert serve(watch(app_of(Indexed()))).chunks == [b"a", b"b"]
    assert (books.running, books.requests, books.size) == (0, {OK: 1}, 2)


@pytest.mark.pitfall(5)
def test_an_iterator_the_body_makes_ends_when_the_body_is_closed(watch, environ):
    """A server lets go of the iterator once it has closed the body; we do not keep it any longer."""
    steps = []

    class Making:
        def __iter__(self):
            try:
                yield b"a"
                yield b"b"
            finally:
                steps.append("iterator")

        def close(self):
            steps.append("body")

    body = watch(app_of(Making))(environ(), lambda status, headers: None)
    assert next(iter(body)) == b"a"
    body.close()

    assert steps == ["body", "iterator"]


class _AlreadyHandled:
    """Eventlet's: it can be iterated, but is known by its identity."""

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration


@pytest.mark.pitfall(3)
@pytest.mark.parametrize("sentinel", [object(), _AlreadyHandled(), None], ids=["gunicorn", "eventlet", "None"])
def test_a_sentinel_is_passed_through(sentinel, watch, books, environ):
    """It says that the app spoke to the client itself: never touched, never closed by the server, and at its end."""
    assert watch(app_of(sentinel))(environ(), lambda status, headers: None) is sentinel
    assert (books.running, books.requests) == (0, {OK: 1})


@pytest.mark.pitfall(3)
def test_gunicorns_own_sentinel_is_passed_through(watch, books, environ):
    """Its asynchronous workers compare with just this object."""
    from gunicorn.workers.base_async import ALREADY_HANDLED

    assert watch(app_of(ALREADY_HANDLED))(environ(), lambda status, headers: None) is ALREADY_HANDLED
    assert (books.running, books.requests) == (0, {OK: 1})


@pytest.mark.pitfall(5, 9)
def test_a_generator_is_run_chunk_by_chunk(watch, books, environ):
    """Nothing is read ahead, joined or held back, empty chunks neither: they may be flushes."""
    produced = []

    def chunks():
        for chunk in (b"", b"ab", b"", b"c"):
            produced.append(chunk)
            yield chunk

    body = iter(watch(app_of(chunks))(environ(), lambda status, headers: None))

    assert produced == []
    for number, chunk in enumerate((b"", b"ab", b"", b"c"), 1):
        assert next(body) == chunk
        assert len(produced) == number
    assert books.requests == {}
    with pytest.raises(StopIteration):
        next(body)
    assert (books.requests, books.size) == ({OK: 1}, 3)


@pytest.mark.pitfall(8)
def test_the_length_of_a_body_is_kept_only_if_it_has_one(watch, environ):
    """Servers derive Content-Length from a length of one."""

    class Sized:
        def __iter__(self):
            return iter([b"x"])

        def __len__(self):
            return 1

    def ask(body):
        return watch(app_of(body))(environ(), lambda status, headers: None)

    sized, unsized = ask(Sized()), ask(iter([b"x"]))
    assert len(sized) == 1
    assert not hasattr(unsized, "__len__")
    for body in (sized, unsized):
        body.close()


@pytest.mark.pitfall(5, 6)
@pytest.mark.parametrize("chunks", [None, 1, 0], ids=["all", "some", "none"])
def test_close_reaches_the_apps_iterable_once(chunks, watch, books, serve, closing):
    """After all of it, after some (the client went away) and without a single chunk (HEAD)."""
    body = closing(b"a", b"b")
    answer = serve(watch(app_of(body)), chunks=chunks)

    assert body.closed == 1
    assert len(answer.chunks) == (2 if chunks is None else chunks)
    assert (books.running, books.requests) == (0, {OK: 1})


@pytest.mark.pitfall(6)
def test_a_server_that_closes_twice_closes_the_app_once(watch, books, environ, closing):
    """Some do, in their error handling."""
    body = closing(b"a")
    returned = watch(app_of(body))(environ(), lambda status, headers: None)
    returned.close()
    returned.close()

    assert body.closed == 1
    assert list(returned) == []
    assert books.requests == {OK: 1}


@pytest.mark.pitfall(4, 16)
def test_a_body_that_was_never_iterated_is_not_begun(watch, books, environ, closing):
    """`close` alone ends the request; what stands around the body is no generator, which would not run at all."""
    body = closing(b"a")
    returned = watch(app_of(body))(environ(), lambda status, headers: None)
    assert type(returned) is Body
    assert not hasattr(returned, "__dict__")
    assert books.running == 1
    returned.close()

    assert (body.begun, body.closed) == (0, 1)
    assert (books.running, books.requests, books.size) == (0, {OK: 1}, 0)


@pytest.mark.parametrize("name", ["Content-Length", "content-length"])
def test_the_last_promised_byte_ends_the_request_before_the_client_has_it(name, watch, books, environ):
    """Who has a whole answer finds it counted, also when the worker is killed right then."""
    body = iter(watch(app_of(lambda: iter([b"ab", b"cd"]), headers=[(name, "4")]))(environ(), lambda *_: None))
    next(body)
    assert (books.running, books.requests) == (1, {})
    next(body)

    assert (books.running, books.requests, books.size) == (0, {OK: 1}, 4)
    assert list(body) == []
    body.close()
    assert books.requests == {OK: 1}


@pytest.mark.parametrize("value", ["", "four", "-1", None, "1"])
def test_a_promise_that_does_not_hold_changes_nothing(value, watch, books, serve):
    """A wrong Content-Length is between the app and the server; each request still counts once."""
    answer = serve(watch(app_of(lambda: iter([b"ab", b"cd"]), headers=[("Content-Length", value)])))

    assert answer.body == b"abcd"
    assert books.requests == {OK: 1}
    assert books.failures == []


def test_headers_that_are_no_pairs_are_left_to_the_server(watch, books, serve):
    """We read them after the server has taken them, and do not fall over them."""
    answer = serve(watch(app_of(lambda: iter([b"ab"]), headers=["odd"])))

    assert answer.body == b"ab"
    assert (books.requests, books.failures) == ({OK: 1}, [])


@pytest.mark.pitfall(15)
def test_a_list_of_headers_is_not_changed(watch, serve):
    """An app may keep and reuse its list."""
    headers = [("Content-Type", "text/plain")]
    answer = serve(watch(app_of([b"x"], headers=headers)))

    assert answer.calls == [("200 OK", [("Content-Type", "text/plain")])]
    assert headers == [("Content-Type", "text/plain")]


@pytest.mark.pitfall(16)
@pytest.mark.parametrize("body", [[b"abc"], lambda: iter([b"abc"]), Complete], ids=["list", "iterator", "response"])
def test_head_has_no_bytes(body, watch, books, serve):
    """What the server throws away has not been sent."""
    serve(watch(app_of(body, headers=[("Content-Length", "3")])), REQUEST_METHOD="HEAD")

    assert books.methods == {("HEAD", "http"): 1}
    assert books.size == 0


@pytest.mark.pitfall(14, 15)
@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_without_a_body_stays_one(status, watch, books, serve):
    """No header and no chunk is added."""
    answer = serve(watch(app_of([], status=status)))

    assert (answer.calls, answer.chunks) == ([(status, [])], [])
    assert books.requests == {("/", int(status[:3]), None): 1}


@pytest.mark.pitfall(20)
def test_a_body_may_be_iterated_and_closed_on_other_threads(watch, books, environ, closing):
    """Waitress, gevent and mod_wsgi do: nothing hangs on the thread of the call."""
    body = closing(b"a", b"b")
    returned = watch(app_of(body))(environ(), lambda status, headers: None)
    chunks = []
    for step in (lambda: chunks.extend(returned), returned.close):
        thread = threading.Thread(target=step)
        thread.start()
        thread.join()

    assert chunks == [b"a", b"b"]
    assert (body.closed, books.running, books.requests) == (1, 0, {OK: 1})


@pytest.mark.pitfall(21)
def test_bodies_that_are_served_by_turns_are_kept_apart(watch, books, environ):
    """One thread may serve several streams at once."""
    app = watch(lambda environ, start: (start("200 OK", []), iter([environ["PATH_INFO"].encode()] * 2))[1])
    first, second = (iter(app(environ(path), lambda status, headers: None)) for path in ("/first", "/second"))
    chunks = [next(first), next(second), next(first), next(second)]
    assert [list(first), list(second)] == [[], []]

    assert chunks == [b"/first", b"/second"] * 2
    assert books.requests == {("/first", 200, None): 1, ("/second", 200, None): 1}


@pytest.mark.pitfall(24)
def test_time_runs_from_the_call_to_the_last_byte(watch, books, environ, seconds):
    """The first byte is the first chunk that has any; the end is the end of the body."""
    seconds(1, 3, 6)
    body = watch(app_of(lambda: iter([b"", b"x"])))(environ(), lambda status, headers: None)
    list(body)
    body.close()

    assert books.first_byte_seconds == 2
    assert books.seconds == 5
