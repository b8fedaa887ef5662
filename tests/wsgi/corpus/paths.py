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
