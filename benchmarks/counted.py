# SPDX-License-Identifier: Apache-2.0
"""The process whose instructions are counted: `python -m benchmarks.counted WHAT REQUESTS`, under callgrind.

WHAT is `bare`, `wrapped` or `wasteful`: wrapped, and each request is given a trace id that nobody asked for. With
`queries` and `queries_alone` each request makes ten queries; of the latter only the request is recorded.

The clock is made up: by the real one a request takes longer now and then, on a busy machine more often, and a duration
that was not seen before takes the slow way through the index.
"""

from __future__ import annotations

import os
import sys
import time
from itertools import count
from typing import Any

time.monotonic_ns = count(10**12, 250_000).__next__

from benchmarks.apps import Queries, hello, make_environ, serve  # noqa: E402
from wsgiapm import APMMiddleware  # noqa: E402
from wsgiapm.recorder import Recorder  # noqa: E402
from wsgiapm.transaction import Transaction  # noqa: E402

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
    settings: dict[str, Any] = {"shared_dir": os.path.join(os.environ["BENCH_DIRECTORY"], "shared"), "endpoint": ""}
    app: Any = hello
    if what.startswith("queries"):
        app = Queries(10)
        settings["disabled_instruments"] = "sqlite3" if what == "queries_alone" else ""
    return APMMiddleware(app, **settings, harvest_mode="external", app_name="benchmark")


def main() -> None:
    app = _make_app(sys.argv[1])
    environ = make_environ()
    serve(app, _WARM_UP, environ)
    serve(app, int(sys.argv[2]), environ)


main()
