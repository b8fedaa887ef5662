# SPDX-License-Identifier: Apache-2.0
"""What goes wrong when something stands between a WSGI server and an app. Tests say which of these they guard against.

`@pytest.mark.pitfall(3, 11)` on a test: it fails when one falls into pitfall 3 or 11.
"""

from __future__ import annotations

PITFALLS = {
    1: "What the server's own `wsgi.file_wrapper` made is returned as the same object; servers know it by class or identity and send it with `sendfile`.",
    2: "`wsgi.file_wrapper` may be a function (uwsgi, mod_wsgi): no `isinstance` with it, and it is never replaced.",
    3: "Sentinels and what is no iterable are returned untouched; nobody closes them, so the request has ended.",
    4: "What stands around a body is no generator: one that never began does not run its `finally`, and `close()` would be lost.",
    5: "`iter()` is called on what the app returned, `close()` too, and its iterator lives no longer than without us.",
    6: "`close()` reaches the app exactly once, whatever the server does, and the request counts once.",
    7: "An exception of `close()` passes after the request was recorded; one of ours is swallowed and counted.",
    8: "A body has `len()` only if it had one; lists and tuples stay themselves.",
    9: "Nothing is measured by looking: no peeking, no joining, no buffering; empty chunks pass.",
    10: "The app is called at once; whatever it raises passes as the same object with its traceback.",
    11: "`start_response` is passed on as it was called, with `exc_info` only if there is one; the status that counts is the last the server took; `write` works.",
    12: "No exception and no traceback is kept: it would keep every local variable of the app.",
    13: "An app may call `start_response` with its first chunk, or never: then there is no status, neither 200 nor 500.",
    14: "A status line is read with care: no reason, bytes, 1xx, 204, 304, nonsense.",
    15: "The app's list of headers is not changed, and no header is added.",
    16: "HEAD is left alone and has no bytes; a server may close a body that it never iterated.",
    17: "`environ` gets namespaced keys only, no value in it is replaced, and nothing of it is kept.",
    18: "A path is bytes in the clothes of latin-1, and begins with `SCRIPT_NAME`.",
    19: "Of middlewares around each other the outermost records; a request inside a request is one of its own.",
    20: "Bodies are iterated and closed on other threads and greenlets than the call was on.",
    21: "Several bodies are iterated by turns on one thread.",
    22: "Event streams and websockets last for hours and must not look like slow requests.",
    23: "A client that goes away is no error of the app.",
    24: "Time runs on the monotonic clock from the call to the last byte; the queue's header is read in any unit and never believed.",
    25: "One middleware serves all threads at once, and tools find the app behind it.",
    26: "The validators of the standard library and of werkzeug are content, inside and outside.",
    27: "Switched off, there is nothing around the app.",
}
