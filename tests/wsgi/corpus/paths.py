# SPDX-License-Identifier: Apache-2.0
"""What each app of the corpus is asked for."""

from __future__ import annotations

PATHS = {
    "django": "plain?name=x page toolbar/page streamed events file/small.txt file/large.bin conditional unchanged empty"
    " missing broken upload half static/small.txt static/large.bin nowhere",
    "flask": "plain streamed?name=x closing file/small.txt file/large.bin static/large.bin upload broken away teapot nowhere",
    "bottle": "plain generated file/small.txt file/large.bin open upload broken nowhere",
    "pyramid": "plain iterated file static/small.txt upload broken nowhere",
    "cherrypy": "plain streamed upload broken static/small.txt static/large.bin nowhere",
    "falcon": "plain?name=x upload stream broken static/large.bin nowhere",
    "webob": "plain iterated file static/small.txt upload nowhere",
    "whitenoise": "static/small.txt static/large.bin behind",
    "pylons": "plain first upload nowhere raw/written raw/changed raw/late raw/never raw/odd raw/broken raw/closing raw/text raw/file",
}
PATHS = {app: paths.split() for app, paths in PATHS.items()}

# Tornado's WSGIContainer does not answer, and leaves the connection open, where an app raises, in `close` too, answers with
# what is no bytes, or never calls start_response: it writes the exception into its log. It has no file wrapper, so that
# `raw/file` raises as well.
UNANSWERED = {
    "tornado": {
        "django/half",
        "pyramid/broken",
        "pylons/raw/never",
        "pylons/raw/broken",
        "pylons/raw/closing",
        "pylons/raw/text",
        "pylons/raw/file",
    }
}
