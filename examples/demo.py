# SPDX-License-Identifier: Apache-2.0
"""The example shop under supervisor, gunicorn and wsgiapm, with traffic, and the proof that not one request got lost.

    make demo                                       runs until Ctrl-C
    make demo SECONDS=20                            ends by itself and compares what was sent with what was recorded
    make demo SECONDS=20 WORKER_CLASS=gthread       the same with another kind of worker

All it writes lies in a temporary directory and is gone afterwards.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import comparison
from supervised import MARK, Program, ProgramError, Supervisor, survivors

EXAMPLES = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(EXAMPLES)
SHOP = os.path.join(EXAMPLES, "shop")
HOST = "127.0.0.1"
REPORT_PORT, SHOP_PORT = 4318, 8000

WORKERS = 5
MAX_REQUESTS = 300
HARVEST_INTERVAL = 10.0
# How long after the last answer the report may take to know it all: two harvests, and time to write them down.
PATIENCE = 2 * HARVEST_INTERVAL + 10.0

# In a timed run as much as eight clients send; without an end just enough to have something to look at.
BUSY = ("--concurrency", "8", "--pause", "0.01")
GENTLE = ("--concurrency", "3", "--pause", "0.25")

# Set by Ctrl-C. Looked at where it is safe to end: an exception out of nowhere might leave a program behind.
_stopping = threading.Event()


@dataclass(frozen=True)
class Demo:
    """Where everything of one run is."""

    directory: str
    shared: str
    worker_class: str
    report_port: int
    shop_port: int
    upstream_port: int

    @property
    def environment(self) -> dict[str, str]:
        """What every program of the demo gets; nothing of the user's own settings is in it."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("WSGIAPM_", "XDG_", "DJANGO_"))
        }
        return {
            **kept,
            MARK: self.directory,
            "HOME": self.directory,
            "XDG_STATE_HOME": self.directory,
            "PYTHONPATH": os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")])),
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "shop.settings",
            "SHOP_DATABASE": os.path.join(self.directory, "shop.sqlite3"),
            "SHOP_MANUAL": os.path.join(self.directory, "manual.pdf"),
            "SHOP_UPSTREAM": f"http://{HOST}:{self.upstream_port}",
            "WSGIAPM_APP_NAME": "shop",
            "WSGIAPM_SHARED_DIR": self.shared,
            "WSGIAPM_ENDPOINT": f"http://{HOST}:{self.report_port}",
            "WSGIAPM_HARVEST_INTERVAL": f"{HARVEST_INTERVAL:g}s",
        }

    def programs(self) -> list[Program]:
        """What supervisor runs. Where deploy/ has an entry or a configuration, it is the one that is run."""
        store = f"sqlite:///{self.directory}/report.db"
        gunicorn = [
            "--config", os.path.join(ROOT, "deploy", "gunicorn.conf.py"),
            "--bind", f"{HOST}:{self.shop_port}",
            "--workers", str(WORKERS), "--worker-class", self.worker_class,
            "--max-requests", str(MAX_REQUESTS), "--max-requests-jitter", str(MAX_REQUESTS // 10),
            "--graceful-timeout", "10",  # no request here takes longer, and nobody wants to wait at Ctrl-C
        ]  # fmt: skip
        gunicorn += ["--threads", "4"] if self.worker_class == "gthread" else []
        serve = ["serve", "--listen", f"{HOST}:{self.report_port}", "--store", store]
        upstream = [os.path.join(EXAMPLES, "upstream.py"), "--port", str(self.upstream_port)]
        return [
            self._program("wsgiapm", ["-m", "wsgiapm", *serve], self.directory, "wsgiapm"),
            self._program("app", ["-m", "gunicorn", *gunicorn, "shop.wsgi"], SHOP, "app"),
            self._program("upstream", upstream, self.directory),
        ]

    def _program(self, name: str, arguments: list[str], directory: str, template: str = "") -> Program:
        return Program(name, [sys.executable, *arguments], directory, template)


class Report:
    """The report's JSON API, as the page uses it."""

    def __init__(self, address: str) -> None:
        self.address = address
        parts = urllib.parse.urlsplit(address)
        self._base = f"{parts.scheme}://{parts.netloc}"
        self._token = urllib.parse.parse_qs(parts.query).get("token", [""])[0]
        self._since = int(time.time()) - 60

    def account(self) -> comparison.Account:
        """What it has counted so far."""
        return comparison.from_report(self._get("summary"), self._get("transactions"))

    def _get(self, what: str) -> Any:
        query = urllib.parse.urlencode({"app": "shop", "from": self._since, "to": int(time.time()) + 60})
        request = urllib.request.Request(
            f"{self._base}/api/v1/{what}?{query}", headers={"Authorization": f"Bearer {self._token}"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def wait_for(self, requests: int) -> comparison.Account:
        """Wait until it has counted so many requests, as long as it may take; return what it has counted then."""
        deadline = time.monotonic() + PATIENCE
        while (account := self.account()).total < requests and time.monotonic() < deadline:
            _sleep(0.5)
        return account


def main() -> int:
    """Run the demo; 0 if, in a timed run, every request was answered and recorded."""
    arguments = _parse()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _stopping.set())
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    prefix = "wsgiapm-demo-"
    with (
        tempfile.TemporaryDirectory(prefix=prefix) as directory,
        tempfile.TemporaryDirectory(prefix=prefix, dir=memory) as shared,
    ):
        ports = _port(REPORT_PORT), _port(SHOP_PORT), _port(0)
        demo = Demo(directory, shared, arguments.worker_class, *ports)
        try:
            status = _run(demo, arguments.seconds)
        except KeyboardInterrupt:
            print("\nstopping")
            status = 0 if arguments.seconds is None else 1
        except (ProgramError, subprocess.CalledProcessError, OSError) as error:
            print(error, file=sys.stderr)
            status = 1
        left = survivors(directory)
        if left:
            print("still running:", *left, sep="\n  ", file=sys.stderr)
    return 1 if left else status


def _run(demo: Demo, seconds: float | None) -> int:
    print(f"Setting up the shop in {demo.directory}")
    subprocess.run(
        [sys.executable, "manage.py", "setup_shop"],
        cwd=SHOP,
        env=demo.environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with Supervisor(demo.directory, demo.programs(), demo.environment, _sleep) as supervisor:
        report = _wait_until_ready(demo, supervisor)
        print(f"{WORKERS} {demo.worker_class} workers serve it, each replaced after about {MAX_REQUESTS} requests\n")
        print(f"  The report: {report.address}\n")
        print("Open it in a browser: the first numbers are there within 15 seconds.")
        if seconds is None:
            print(f"The shop itself: http://{HOST}:{demo.shop_port}/\nCtrl-C ends all of it.")
            with _traffic(demo, *GENTLE) as traffic:
                _wait(traffic)
            raise ProgramError("the traffic has ended by itself")
        books = _send_for(seconds, demo, supervisor)
        return _compare(demo, report, books)


def _wait_until_ready(demo: Demo, supervisor: Supervisor) -> Report:
    listening = supervisor.wait_for(
        "wsgiapm", lambda: supervisor.find_line("wsgiapm", r"^listening on (\S+)"), timeout=30
    )
    # A connection, not a request: what is sent later must be all there is.
    supervisor.wait_for("app", lambda: _is_open(demo.shop_port), timeout=30)
    supervisor.wait_for("upstream", lambda: _is_open(demo.upstream_port), timeout=30)
    return Report(listening[1])


@contextlib.contextmanager
def _traffic(demo: Demo, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, os.path.join(EXAMPLES, "traffic.py"), "--url", f"http://{HOST}:{demo.shop_port}"]
    process = subprocess.Popen(
        [*command, "--json", _books_file(demo), *options], env=demo.environment, stdout=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _books_file(demo: Demo) -> str:
    return os.path.join(demo.directory, "traffic.json")


def _send_for(seconds: float, demo: Demo, supervisor: Supervisor) -> dict[str, Any]:
    """Send for so long, with a reload in the middle; return traffic.py's books."""
    print(f"Sending for {seconds:g} seconds, with a reload (HUP) in the middle")
    with _traffic(demo, "--seconds", str(seconds), *BUSY) as traffic:
        _wait(traffic, seconds / 2)
        supervisor.signal("app", "HUP")
        _wait(traffic)
    with open(_books_file(demo), encoding="utf-8") as file:
        books: dict[str, Any] = json.load(file)
    return books


def _compare(demo: Demo, report: Report, books: dict[str, Any]) -> int:
    """Wait until the report knows it all, and put sent, report and metrics side by side."""
    print("Waiting for the report to have it all")
    sent = comparison.from_traffic(books)
    accounts = {"sent": sent, "report": report.wait_for(sent.total), "metrics": comparison.from_metrics(_metrics(demo))}
    print(f"\n{comparison.table(accounts)}\n")
    for line in [*books["unanswered"], *books["unexpected"]][:20]:
        print(line)
    if books["unanswered"]:
        print(f"{len(books['unanswered'])} of {books['sent']} requests were not answered in full")
    print(f"sent {sent.total}, recorded {accounts['report'].total}")
    return 0 if comparison.are_equal(accounts) and not books["unanswered"] else 1


def _metrics(demo: Demo) -> str:
    command = [sys.executable, "-m", "wsgiapm", "metrics"]
    return subprocess.run(command, env=demo.environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def _port(wanted: int) -> int:
    """This port, or any other if somebody has it."""
    for port in (wanted, 0):
        with contextlib.suppress(OSError), socket.create_server((HOST, port)) as listener:
            number: int = listener.getsockname()[1]
            return number
    raise ProgramError(f"no free port on {HOST}")


def _is_open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


def _sleep(seconds: float) -> None:
    if _stopping.wait(seconds):
        raise KeyboardInterrupt


def _wait(process: subprocess.Popen[bytes], seconds: float = float("inf")) -> None:
    """Wait for the end of a process, but no longer than so many seconds."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        _sleep(0.05)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="send for so long, compare, and end")
    parser.add_argument("--worker-class", choices=("gevent", "sync", "gthread"), default="gevent")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
