# SPDX-License-Identifier: Apache-2.0
"""The demo's programs under a supervisor of their own: made from deploy/supervisor, in a directory of their own.

Nothing here touches a supervisor that runs on the machine already: this one has its own configuration, socket and logs.
"""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import psutil

# Every process of the demo has it in its environment, with the demo's directory as value: so what is left over is found.
MARK = "SHOP_DEMO"

TEMPLATES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "deploy", "supervisor")

# What is different on a server: users, places, and how long one waits there.
NOT_TAKEN = ("user", "stdout_logfile", "directory", "environment", "command")


_Result = TypeVar("_Result")


class ProgramError(Exception):
    """A program did not start, or ended by itself; the message ends with what it wrote last."""


@dataclass(frozen=True)
class Program:
    """One entry of the configuration."""

    name: str
    command: Sequence[str]
    directory: str
    template: str = ""  # the entry in deploy/supervisor that says how it is started and stopped


class Supervisor:
    """Runs programs until it is stopped; a context manager.

    Args:
        directory: where everything it writes goes.
        programs: what it runs.
        environment: of all of them.
        sleep: what waits between two looks; may raise to give up.
    """

    def __init__(
        self,
        directory: str,
        programs: Sequence[Program],
        environment: Mapping[str, str],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._directory = directory
        self._sleep = sleep
        self._file = os.path.join(directory, "supervisord.conf")
        self._environment = environment
        with open(self._file, "w", encoding="utf-8") as file:
            _configuration(directory, programs).write(file)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Supervisor:
        """Start everything. A session of its own keeps Ctrl-C away from it: the demo decides what ends when."""
        with open(self._path("supervisord.out"), "wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "--configuration", self._file],
                cwd=self._directory, env=self._environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything, and wait for the end."""
        process = self._process
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def signal(self, program: str, name: str) -> None:
        """Send a signal to a program, as `supervisorctl signal HUP app` does.

        Raises:
            ProgramError: the supervisor refused.
        """
        command = [sys.executable, "-m", "supervisor.supervisorctl", "--configuration", self._file]
        done = subprocess.run(
            [*command, "signal", name, program], check=False, capture_output=True, text=True, env=self._environment
        )
        if done.returncode:
            raise ProgramError(f"supervisorctl signal {name} {program}: {done.stdout}{done.stderr}")

    def wait_for(self, program: str, condition: Callable[[], _Result | None], timeout: float) -> _Result:
        """Wait until a condition is true of a program, and return what it returned.

        Raises:
            ProgramError: it is not, in time, or the program has ended.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and f"{program} entered FATAL state" not in self.output("supervisord"):
            if result := condition():
                return result
            self._sleep(0.05)
        raise ProgramError(f"{program} did not get ready; it wrote:\n{self.last_lines(program)}")

    def find_line(self, program: str, pattern: str) -> re.Match[str] | None:
        """Find a line that the program has written."""
        return re.search(pattern, self.output(program), re.MULTILINE)

    def output(self, program: str) -> str:
        """Everything a program has written so far."""
        with contextlib.suppress(FileNotFoundError), open(self._path(f"{program}.log"), encoding="utf-8") as log:
            return log.read()
        return ""

    def last_lines(self, program: str, count: int = 20) -> str:
        """The end of what a program wrote; if it never started, of what the supervisor says."""
        text = self.output(program) or self.output("supervisord")
        return "\n".join(text.splitlines()[-count:])

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name)


def survivors(directory: str, patience: float = 5.0) -> list[str]:
    """The processes of a demo that are still there: none, if all went well."""
    deadline = time.monotonic() + patience
    while (found := _marked(directory)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _marked(directory: str) -> list[str]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == directory:
                found.append(f"{process.pid} {' '.join(process.cmdline())}")
    return found


def _configuration(directory: str, programs: Sequence[Program]) -> configparser.RawConfigParser:
    socket = os.path.join(directory, "supervisor.sock")
    made = configparser.RawConfigParser()
    made["unix_http_server"] = {"file": socket, "chmod": "0700"}
    made["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    made["supervisorctl"] = {"serverurl": f"unix://{socket}"}
    made["supervisord"] = {
        "nodaemon": "true",
        "logfile": os.path.join(directory, "supervisord.log"),
        "pidfile": os.path.join(directory, "supervisord.pid"),
        "childlogdir": directory,
    }
    for program in programs:
        made[f"program:{program.name}"] = _section(directory, program)
    return made


def _section(directory: str, program: Program) -> dict[str, str]:
    section = {"redirect_stderr": "true", "stopasgroup": "true", "killasgroup": "true"}
    if program.template:
        template = configparser.RawConfigParser(inline_comment_prefixes=(" ;",))
        with open(os.path.join(TEMPLATES, f"{program.template}.conf"), encoding="utf-8") as file:
            template.read_file(file)
        section = {key: value for key, value in template[template.sections()[0]].items() if key not in NOT_TAKEN}
    command = " ".join(f'"{_quoted(word)}"' for word in program.command)
    log = os.path.join(directory, f"{program.name}.log")
    return {
        **section,
        "startretries": "0",  # what does not start at once is shown, not tried again
        "command": command,
        "directory": _quoted(program.directory),
        "stdout_logfile": _quoted(log),
    }


def _quoted(text: str) -> str:
    """Text for supervisor's configuration, where % begins an expansion."""
    return text.replace("%", "%%")
