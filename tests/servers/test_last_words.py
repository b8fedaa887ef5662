# SPDX-License-Identifier: Apache-2.0
"""Each way a worker of a real gunicorn can die: what the log and the journal say of it, and when they say nothing."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.servers.conftest import Client
from wsgiapm.aggregate.directory import open_directory
from wsgiapm.aggregate.index_file import open_index
from wsgiapm.aggregate.mailbox import read_mail

APPS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "apps")
SYNC = ("--worker-class", "sync")
GTHREAD = ("--worker-class", "gthread", "--threads", "4")
GEVENT = ("--worker-class", "gevent")
IMPATIENT = ("--timeout", "2", "--graceful-timeout", "2")
CLASSES = {"sync": SYNC, "gthread": GTHREAD, "gevent": GEVENT}
PLACE = r"\S*dying\.py:\d+ in {}"


def events(shared: Path) -> list[dict[str, Any]]:
    """What stands in the journals of a shared directory."""
    directory = open_directory(str(shared))
    index = open_index(directory)
    try:
        return [json.loads(event.payload.rstrip(b"\0")) for event in read_mail(directory, index.header.epoch).events]
    finally:
        index.close()
        directory.close()


@pytest.fixture
def die(gunicorn_app: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """`die(path, *options)` lets a worker die in a request; returns its last words, the event, and what was logged."""

    def run(path: str, *options: str) -> tuple[dict[str, Any], str]:
        gunicorn, port = gunicorn_app("dying:application", "--workers", "1", *options, cwd=APPS)
        client = Client(port)
        client.get("/")
        client.abandon(path).join()
        gunicorn.wait_for_output(r"wsgiapm: worker \d+ \(pid \d+\) died", 60)
        client.get("/")
        (event,) = events(tmp_path / "shared")
        (line,) = [line for line in gunicorn.output().splitlines() if "wsgiapm: worker" in line]
        assert line.endswith(f"[WARNING] wsgiapm: {event['body']}")
        return event, line

    return run


def check(event: dict[str, Any], path: str, exit_: str, reason: str, function: str) -> None:
    """The event names what died, of what, in which request, where."""
    words, attributes = event["body"], event["attributes"]
    where = ", at " + PLACE.format(function) if function else ""
    assert re.search(
        rf"died \({reason}, {exit_}(, SystemExit)?\) while serving GET {path} \(\d+\.\d s{where}\); it had served [12] req",
        words,
    )
    assert (attributes["wsgiapm.exit"], attributes["wsgiapm.reason"]) == (exit_, reason)
    (request,) = json.loads(attributes["wsgiapm.in_flight"])
    assert (request["method"], request["route"]) == ("GET", path)
    assert attributes.get("code.function.name", "") == function
    assert attributes["process.pid"] > 0
    assert attributes["wsgiapm.generation"] == 1


# What gunicorn does not survive itself, and where it stood, as far as that can be seen from outside.
DEATHS = [
    ("/kill", "SIGKILL", "killed", ""),
    ("/segv", "SIGSEGV", "killed", "segv"),
    ("/abort", "SIGABRT", "killed", "app"),
    ("/stuck", "SIGKILL", "timeout", "stuck"),
    ("/leave", "exit code 7", "killed", ""),
]


@pytest.mark.long
@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["", "preload"])
@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize(("path", "exit_", "reason", "function"), DEATHS)
def test_a_death_in_a_request(
    path: str, exit_: str, reason: str, function: str, kind: str, preload: tuple[str, ...], die: Callable[..., Any]
) -> None:
    """Under every class of worker: signal or status, request, how long it ran, and the line where there is one."""
    event, _ = die(path, *CLASSES[kind], *preload, *IMPATIENT)

    check(event, path, exit_, reason, function)


@pytest.mark.long
@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["", "preload"])
@pytest.mark.parametrize("kind", ["sync", "gevent"])
def test_a_loop_that_never_ends(kind: str, preload: tuple[str, ...], die: Callable[..., Any]) -> None:
    """The line it stood on is told. A loop in a thread of gthread does not stop gunicorn's heart, so nobody ends it."""
    event, _ = die("/busy", *CLASSES[kind], *preload, *IMPATIENT)

    check(event, "/busy", event["attributes"]["wsgiapm.exit"], "timeout", "busy")
    assert event["attributes"]["wsgiapm.exit"] in ("exit code 0", "exit code 1")  # as gunicorn's version has it


@pytest.mark.long
@pytest.mark.parametrize("kind", ["sync", "gevent"])
def test_a_loop_that_never_ends_without_hooks(kind: str, gunicorn_app: Callable[..., Any], tmp_path: Path) -> None:
    """The middleware alone sees who ends it, too: a timeout, the request aborted, and the line."""
    gunicorn, port = gunicorn_app(
        "dying:application", "--workers", "1", *CLASSES[kind], *IMPATIENT, cwd=APPS, hooks=False
    )
    client = Client(port)
    client.get("/")
    client.abandon("/busy").join()
    client.get("/")
    gunicorn.wait_for_output(r"wsgiapm: worker \d+ \(pid \d+\) died", 60)

    (event,) = events(tmp_path / "shared")
    assert re.search(rf"died \(timeout.*\) while serving GET /busy \(.*{PLACE.format('busy')}", event["body"])


@pytest.mark.long
@pytest.mark.parametrize("kind", ["sync", "gevent"])
def test_a_stack_that_overflows(kind: str, die: Callable[..., Any]) -> None:
    """The interpreter has a stack of its own for that, in the main thread: the line is known."""
    event, _ = die("/overflow", *CLASSES[kind])

    check(event, "/overflow", "SIGSEGV", "killed", "overflow")


@pytest.mark.long
def test_a_stack_that_overflows_in_a_thread(die: Callable[..., Any]) -> None:
    """Other threads have none, so nobody sees where it was; all else is told."""
    event, _ = die("/overflow", *GTHREAD)

    check(event, "/overflow", "SIGSEGV", "killed", "")


def test_an_exit_out_of_a_request(die: Callable[..., Any]) -> None:
    """sys.exit in a thread ends the worker, which says so itself; the request has ended with it and is not aborted."""
    event, _ = die("/exit", *GTHREAD)

    check(event, "/exit", "exit code 5", "exit", "<lambda>")
    assert event["attributes"]["wsgiapm.aborted"] == 0


def wait_for_exit(running: Any, times: int = 1) -> None:
    """Wait until gunicorn says that so many workers have ended."""
    running.wait_for_output(r"(?:(?s:.*)Worker exiting){" + str(times) + "}", 60)


@pytest.mark.parametrize(
    "kind", ["sync", pytest.param("gthread", marks=pytest.mark.long), pytest.param("gevent", marks=pytest.mark.long)]
)
def test_an_idle_worker_that_is_killed_is_told_and_recycled_ones_are_not(
    kind: str, gunicorn_app: Callable[..., Any], tmp_path: Path
) -> None:
    """No request was in flight, but somebody was killed; who ends because of max_requests, HUP or TTOU does so in silence."""
    gunicorn, port = gunicorn_app(
        "dying:application", "--workers", "1", "--max-requests", "2", *CLASSES[kind], cwd=APPS
    )
    client = Client(port)
    first = client.get("/")[1]
    while client.get("/")[1] == first:  # two requests of the first worker, or some more until it has ended
        pass
    gunicorn.popen.send_signal(signal.SIGHUP)
    wait_for_exit(gunicorn, 2)
    victim = int(client.get("/")[1])
    os.kill(victim, signal.SIGKILL)
    gunicorn.wait_for_output(r"wsgiapm: worker \d+ \(pid \d+\) died")
    gunicorn.stop()

    (event,) = events(tmp_path / "shared")
    assert re.fullmatch(
        rf"worker \d \(pid {victim}\) died \(killed, SIGKILL\) while idle; it had served [12] requests in \d+\.\d s"
        r"( and used \d+ MiB)?",
        event["body"],
    )
    assert gunicorn.output().count("wsgiapm: worker") == 1


def test_an_app_with_a_faulthandler_of_its_own_gets_what_it_asked_for(
    gunicorn_app: Callable[..., Any], tmp_path: Path
) -> None:
    """We take the only one there is, and give back the text; the event has the line all the same."""
    env = {"OWN_FAULTHANDLER": str(tmp_path / "crashes.txt")}
    gunicorn, port = gunicorn_app("dying:application", *SYNC, cwd=APPS, env=env)
    Client(port).abandon("/segv").join()
    gunicorn.wait_for_output(r"wsgiapm: worker \d+ \(pid \d+\) died .*dying\.py:\d+ in segv")
    Client(port).get("/")

    crash = (tmp_path / "crashes.txt").read_text()
    assert crash.startswith("Fatal Python error: Segmentation fault\n")
    assert re.search(r"dying\.py\", line \d+ in segv", crash)


def test_a_worker_that_cannot_boot_says_why(gunicorn_app: Callable[..., Any], tmp_path: Path) -> None:
    """The event names status, exception and line, but not the exception's text, which may hold a secret."""
    env = {"FAIL_TO_BOOT": "1", "WSGIAPM_APP_NAME": "dying"}
    gunicorn, _ = gunicorn_app("dying:application", *SYNC, cwd=APPS, env=env)
    assert gunicorn.popen.wait(60) == 3

    (event,) = events(tmp_path / "shared")
    assert re.search(
        rf"died \(boot, exit code 3, RuntimeError\) before it served anything, at {PLACE.format('<module>')}; it had "
        r"served 0 requests",
        event["body"],
    )
    assert event["attributes"]["exception.type"] == "RuntimeError"
    assert "123" not in str(event)


@pytest.mark.long
def test_a_worker_that_outlasts_the_servers_patience(gunicorn_app: Callable[..., Any], tmp_path: Path) -> None:
    """What is still running when the graceful timeout is over is named, although nobody is left to see it in time."""
    gunicorn, port = gunicorn_app("dying:application", "--workers", "1", *GTHREAD, "--graceful-timeout", "2", cwd=APPS)
    client = Client(port)
    client.get("/")
    asked = client.abandon("/stubborn")
    gunicorn.popen.send_signal(signal.SIGHUP)
    gunicorn.wait_for_output(r"wsgiapm: worker \d+ \(pid \d+\) died", 60)
    asked.join()

    (event,) = events(tmp_path / "shared")
    assert json.loads(event["attributes"]["wsgiapm.in_flight"])[0]["route"] == "/stubborn"


@pytest.mark.long
@pytest.mark.parametrize(
    ("path", "kind"), [*(("/memory", kind) for kind in CLASSES), ("/exit", "sync"), ("/exit", "gevent")]
)
def test_what_gunicorn_survives_is_no_death(
    path: str, kind: str, gunicorn_app: Callable[..., Any], tmp_path: Path
) -> None:
    """MemoryError is an error of the request like any other, and so, by now, is sys.exit unless it is in a thread."""
    gunicorn, port = gunicorn_app("dying:application", "--workers", "1", *CLASSES[kind], cwd=APPS)
    client = Client(port)
    before = client.get("/")[1]
    client.abandon(path).join()
    assert client.get("/")[1] == before
    gunicorn.stop()

    assert events(tmp_path / "shared") == []


def test_a_worker_and_its_death_in_the_report(
    gunicorn_app: Callable[..., Any], server: Any, wait_until: Callable[..., Any]
) -> None:
    """The server knows the process and its state, and, when it was killed although idle, how it ended and who came after."""
    env = {"WSGIAPM_ENDPOINT": server.address, "WSGIAPM_HARVEST_INTERVAL": "1s"}
    _, port = gunicorn_app("dying:application", "--workers", "1", *SYNC, cwd=APPS, env=env)
    victim = int(Client(port).get("/")[1])

    def find(pid_is_well: Callable[[int], bool]) -> Any:
        if not any(app["name"] == "dying" for app in server.get("/api/v1/apps")["apps"]):
            return None
        (worker,) = server.get("/api/v1/workers", app="dying")["workers"] or [{"pid": None}]
        return worker["pid"] is not None and pid_is_well(worker["pid"]) and worker["state"] == "serving" and worker

    found = wait_until(lambda: find(lambda pid: pid == victim), "the worker reports", 60)
    assert found["last_exit"] == {}
    os.kill(victim, signal.SIGKILL)
    heir = int(Client(port).get("/")[1])
    wait_until(lambda: find(lambda pid: pid == heir), "the next one reports", 60)
    # The event is sent behind the numbers.
    found = wait_until(
        lambda: (worker := find(lambda _: True)) and worker["last_exit"] and worker, "the end is told", 60
    )
    assert (found["last_exit"]["pid"], found["last_exit"]["exit"]) == (victim, "SIGKILL")
