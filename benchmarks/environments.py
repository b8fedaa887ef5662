# SPDX-License-Identifier: Apache-2.0
"""A virtual environment for each peer, made from PyPI when it is first needed, in fixed versions.

They lie in .bench/ in the checkout, which is git-ignored; remove it to have them made anew.
"""

from __future__ import annotations

import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PLACE = os.path.join(ROOT, ".bench")

_SERVER = ("gunicorn==27.0.1", "gevent==26.9.0", "packaging", "flask==3.1.3", "redis==8.0.1", "psutil")
_OWN = {
    "ours": ("psutil", "requests", "wrapt", "line_profiler"),
    "prometheus": ("prometheus_client==0.26.0",),
    "opentelemetry": (
        "opentelemetry-sdk==1.45.1",
        "opentelemetry-exporter-otlp-proto-http==1.45.1",
        "opentelemetry-instrumentation-wsgi==0.66b1",
        "opentelemetry-instrumentation-redis==0.66b1",
        "opentelemetry-instrumentation-sqlite3==0.66b1",
    ),
    "elastic": ("elastic-apm==6.26.2",),
    "datadog": ("ddtrace==4.16.0",),
    "newrelic": ("newrelic==14.1.0",),
    "sentry": ("sentry-sdk==2.75.0",),
}


def requirements(environment: str) -> tuple[str, ...]:
    """Return what pip is asked to install into an environment."""
    return (*_SERVER, *_OWN[environment])


def python_of(environment: str) -> str:
    """Return the interpreter of an environment, making the environment first if need be."""
    directory = os.path.join(PLACE, environment)
    python = os.path.join(directory, "bin", "python")
    wanted = "\n".join(requirements(environment))
    stamp = os.path.join(directory, "installed.txt")
    if _content(stamp) != wanted:
        print(f"making the environment of {environment} in .bench/{environment}", file=sys.stderr, flush=True)
        _hide_from_git()
        if not os.path.exists(python):
            subprocess.run([sys.executable, "-m", "venv", directory], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted.split("\n")]
        subprocess.run(install, check=True)
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(wanted)
    return python


def version_of(environment: str, distribution: str) -> str:
    """Return the installed version of a distribution."""
    code = f"import importlib.metadata as m; print(m.version({distribution!r}))"
    done = subprocess.run([python_of(environment), "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def clean_environment(**more: str) -> dict[str, str]:
    """Return what a measured process gets of our environment."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"PYTHONPATH": ROOT} | more


def _content(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _hide_from_git() -> None:
    os.makedirs(PLACE, exist_ok=True)
    with open(os.path.join(PLACE, ".gitignore"), "w", encoding="ascii") as file:
        file.write("*\n")
