# SPDX-License-Identifier: Apache-2.0
"""A worker as a server has it, whole agent and all, that does what it is told and says what became of it."""

from __future__ import annotations

import json
import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from tests.aggregate.counting import die, fork, wait
from wsgiapm import APMMiddleware
from wsgiapm.aggregate import layout

# Far beyond anything that is no hang, on a machine that is busy with other things.
_PATIENCE = 60
_STATUSES = ("200 OK", "201 Created", "200 OK", "503 Service Unavailable")


def settings_of(shared: str, log: str) -> dict[str, Any]:
    """Those of an app that uploads nothing, and whose rounds are run by the test."""
    return {"app_name": "shop", "shared_dir": shared, "endpoint": "", "harvest_mode": "external", "log_file": log}


class TroubleError(Exception):
    """What the app of a worker raises now and then, so that its server has to see it."""


def _answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    number = int(environ["QUERY_STRING"])
    if number % 11 == 10:
        raise TroubleError
    start_response(_STATUSES[number % len(_STATUSES)], [("Content-Length", "2")])
    return [b"ok"]


class _Serving:
    """The inside of the process."""

    def __init__(self, settings: dict[str, Any], name: str) -> None:
        self._application = APMMiddleware(_answer, **settings)
        self._agent = self._application.__self__._source
        self._name = name
        self._number = 0
        self._broken: list[tuple[str, Any]] = []

    def serve(self, requests: int) -> dict[str, Any]:
        """Answer requests, half of them on routes that are new, while the harvest goes on beside them."""
        stop = threading.Event()
        harvest = threading.Thread(target=self._harvest, args=(stop,))
        harvest.start()
        strange = [error for error in (self._request() for _ in range(requests)) if error]
        stop.set()
        harvest.join()
        return {"strange": strange, "failures": self._agent.failures}

    def _harvest(self, stop: threading.Event) -> None:
        while True:
            self.harvest()
            if stop.wait(0.005):
                return

    def harvest(self) -> dict[str, Any]:
        """One round of the harvest thread."""
        if self._agent._harvester is not None:
            self._agent._harvester.run_round()
        return {}

    def _request(self) -> str:
        self._number += 1
        route = f"/{self._name}/{'old' if self._number % 2 else f'new{self._number:x}z'}"
        environ: dict[str, Any] = {"PATH_INFO": route, "QUERY_STRING": str(self._number)}
        setup_testing_defaults(environ)
        try:
            body = self._application(environ, lambda *_: None)
            return "" if list(body) == [b"ok"] else f"another body: {body!r}"
        except TroubleError:
            return ""
        except BaseException as error:
            return repr(error)

    def tell(self) -> dict[str, Any]:
        """Write an event into the journal."""
        self._agent.recorder.instance.journal.append(layout.WORKER_DIED_EVENT, b'{"body": "somebody died"}')
        return {}

    def fail(self, name: str, number: int, after: int) -> dict[str, Any]:
        """From now on a function of the system fails with this error, but for the first calls."""
        works, calls = getattr(os, name), count()

        def failing(*arguments: Any, **keywords: Any) -> Any:
            if next(calls) < after:
                return works(*arguments, **keywords)
            raise OSError(number, os.strerror(number))

        setattr(os, name, failing)
        self._broken.append((name, works))
        return {}

    def heal(self) -> dict[str, Any]:
        """It works again."""
        while self._broken:
            setattr(os, *self._broken.pop())
        return {}

    def place(self) -> dict[str, Any]:
        """Say which segment is ours; -1 when we count on our own."""
        instance = self._agent.start().instance
        return {"segment": instance.segment.number if instance.directory is not None else -1}

    def part(self, hooked: bool) -> dict[str, Any]:
        """Do what is done before the process ends, by a server's hook or without one."""
        if hooked:
            self._agent.end()
        else:
            self._agent.finish(5)
        return {}

    def die(self) -> dict[str, Any]:
        """Be killed in mid-request."""
        self._application.__self__._app = lambda *_: die()
        self._request()
        return {}


class Worker:
    """The outside: each call returns what the process answered, and fails when it died or does not answer."""

    def __init__(self, settings: dict[str, Any], name: str) -> None:
        """Start it; its routes begin with `name`."""
        self.name = name
        self.served = 0
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        self.pid = fork(lambda: self._run(settings, commands, answers))
        os.close(commands)
        os.close(answers)

    def _run(self, settings: dict[str, Any], commands: int, answers: int) -> None:
        os.close(self._commands)
        os.close(self._answers)
        serving = _Serving(settings, self.name)
        with os.fdopen(commands, "rb") as lines:
            for line in lines:
                command, *arguments = json.loads(line)
                if command == "end":
                    return
                os.write(answers, json.dumps(getattr(serving, command)(*arguments)).encode() + b"\n")

    def ask(self, command: str, *arguments: int | str) -> Any:
        """Have it do something."""
        os.write(self._commands, json.dumps([command, *arguments]).encode() + b"\n")
        answer = select.poll()  # select takes no number above 1023, and each directory looked at leaves one open
        answer.register(self._answers, select.POLLIN)
        if not answer.poll(_PATIENCE * 1000):
            pytest.fail(f"worker {self.name} has not done {command} {arguments} for {_PATIENCE} s: it is blocked")
        line = os.read(self._answers, 65536)
        if not line:
            pytest.fail(f"worker {self.name} ended with status {self.end()} instead of doing {command} {arguments}")
        return json.loads(line)

    def serve(self, requests: int) -> None:
        """Have it serve, and see that neither its app nor our gates noticed anything."""
        self.served += requests
        assert self.ask("serve", requests) == {"strange": [], "failures": 0}

    def die(self) -> None:
        """Have it killed in mid-request."""
        os.write(self._commands, b'["die"]\n')
        assert self.end() == -9

    def end(self) -> int:
        """Let it end, and return its exit status."""
        with suppress(BrokenPipeError):  # it has ended by itself
            os.write(self._commands, b'["end"]\n')
        os.close(self._commands)
        os.close(self._answers)
        return wait(self.pid)
