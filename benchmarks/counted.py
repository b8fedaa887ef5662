# SPDX-License-Identifier: Apache-2.0
"""The process whose instructions are counted: `python -m benchmarks.counted WHAT REQUESTS`, under callgrind.

WHAT is `bare`, `wrapped` or `wasteful`: wrapped, and each request is given a trace id that nobody asked for.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from benchmarks.apps import hello, make_environ, serve
from wsgiapm import APMMiddleware
from wsgiapm.recorder import Recorder
from wsgiapm.transaction import Transaction

_WARM_UP = 200


def _make_app(what: str) -> Any:
    if what == "bare":
        return hello
    if what == "wasteful":
        begin = Recorder.begin

        def begin_wastefully(recorder: Recorder, transaction: Transaction, *rest: Any) -> Any:
            result = begin(recorder, transaction, *rest)
            assert transaction.trace_id
            return result

        type.__setattr__(Recorder, "begin", begin_wastefully)
    shared = os.path.join(os.environ["BENCH_DIRECTORY"], "shared")
    return APMMiddleware(hello, shared_dir=shared, endpoint="", harvest_mode="external", app_name="benchmark")


def main() -> None:
    app = _make_app(sys.argv[1])
    environ = make_environ()
    serve(app, _WARM_UP, environ)
    serve(app, int(sys.argv[2]), environ)


main()
