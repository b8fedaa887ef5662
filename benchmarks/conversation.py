# SPDX-License-Identifier: Apache-2.0
"""Talking to a measured process: one line of JSON there, one line back, so that several can take turns."""

from __future__ import annotations

import json
import subprocess
import tempfile
from types import TracebackType
from typing import Any

from benchmarks.environments import ROOT, clean_environment, python_of
from benchmarks.peers import PeerError


class Subject:
    """A process that runs a module of ours in a peer's environment and does what it is told."""

    def __init__(self, environment: str, module: str, *arguments: str, **variables: str) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="bench-", dir="/dev/shm")
        self._process = subprocess.Popen(
            [python_of(environment), "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=clean_environment(BENCH_DIRECTORY=self._directory.name, **variables),
        )

    def ask(self, **command: Any) -> Any:
        """Give a command and wait for its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            msg = f"{self._process.args!r} ended at {command!r}; see its messages above"
            raise PeerError(msg)
        return json.loads(answer)

    def __enter__(self) -> Subject:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()  # some agents would wait for a server at their end
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._directory.cleanup()
