# SPDX-License-Identifier: Apache-2.0
"""Runs Django's own tests and keeps each statement they send to SQLite, with its parameters, and the whole that makes.

`django_statements.py FILE LABEL ...`, in the directory `tests` of Django's source distribution. FILE gets a line of JSON for
each: [statement, parameters, the whole or null].
"""

from __future__ import annotations

import json
import runpy
import sys
from typing import Any

from django.db.backends.sqlite3.base import DatabaseWrapper
from django.db.backends.utils import CursorWrapper

_execute = CursorWrapper._execute


def main(path: str, labels: list[str]) -> None:
    """Run the tests of these labels."""
    seen: set[str] = set()
    with open(path, "w", encoding="utf-8") as file:

        def keep(self: Any, sql: Any, params: Any, *ignored: Any) -> Any:
            result = _execute(self, sql, params, *ignored)
            if isinstance(sql, str) and isinstance(self.db, DatabaseWrapper):
                whole = self.db.ops.last_executed_query(self.cursor, sql, params) if params else None
                line = json.dumps([sql, _literals(params), whole])
                if line not in seen:
                    seen.add(line)
                    file.write(line + "\n")
            return result

        CursorWrapper._execute = keep
        sys.path.insert(0, "")
        sys.argv = ["runtests.py", "--settings=test_sqlite", "--parallel=1", "--noinput", "-v0", *labels]
        runpy.run_path("runtests.py", run_name="__main__")


def _literals(params: Any) -> list[str]:
    values = params.values() if isinstance(params, dict) else params or ()
    return [value for value in values if isinstance(value, str)]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
