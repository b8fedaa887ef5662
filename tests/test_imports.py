# SPDX-License-Identifier: Apache-2.0
"""What is loaded when: the agent must not be the first to import what gevent patches, nor anything the user does not use."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# `import requests` before gevent's patching breaks the user's HTTPS; the others cost time or belong to the server's side.
NOT_BEFORE_NEEDED = {
    "asyncio",
    "concurrent.futures",
    "django",
    "email",
    "falcon",
    "flask",
    "gevent",
    "google.protobuf",
    "gunicorn",
    "http.client",
    "logging",
    "multiprocessing",
    "requests",
    "sqlite3",
    "ssl",
    "urllib3",
    "wrapt",
    "wsgiapm.collector",
    "wsgiapm.report",
    "wsgiapm.serve",
    "wsgiapm.store",
}


def loaded_by(statement: str) -> set[str]:
    """The names of all modules that are loaded after a statement, in a fresh interpreter."""
    code = f"import json, sys; before = set(sys.modules); {statement}; print(json.dumps(sorted(set(sys.modules) - before)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "statement",
    [
        "import wsgiapm",
        "from wsgiapm import APMMiddleware",
        "import wsgiapm.agent",
        "import wsgiapm.gunicorn_hooks",
    ],
)
def test_switching_the_agent_on_loads_nothing_that_is_not_needed(statement):
    """Whichever way it gets into a process, it brings only itself and small parts of the standard library."""
    assert loaded_by(statement) & NOT_BEFORE_NEEDED == set()


def test_the_package_itself_is_lazy():
    """`import wsgiapm` in a tool that only wants the version loads nothing else of ours."""
    ours = {name for name in loaded_by("import wsgiapm") if name.startswith("wsgiapm.")}

    assert ours <= {"wsgiapm.version"}
