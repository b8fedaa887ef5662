# SPDX-License-Identifier: Apache-2.0
"""The sentence and the event that tell how a worker died."""

from __future__ import annotations

import json
import signal

import pytest

from wsgiapm import log
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.adoption import Aborted
from wsgiapm.aggregate.in_flight import Row
from wsgiapm.aggregate.layout import RUNNING
from wsgiapm.last_words import Deceased, LastWords, describe_exit
from wsgiapm.profile import black_box
from wsgiapm.profile.black_box import Frame, Thread

SECOND = 10**9
NOW = 1000 * SECOND
WHO = Deceased(3, 4711, 62 * SECOND, 15, 52 * 2**20, 7, NOW, is_exact=True)


def aborted(route: str, seconds: float, thread: int = 0) -> Aborted:
    """A request that had been running for so many seconds."""
    start = NOW - int(seconds * SECOND)
    return Aborted(route, "killed", 1, Row(0, start, 0, "GET", "http", RUNNING, thread, 0))


def saw(*threads: tuple[int, str]) -> black_box.Testimony:
    """What a black box holds of threads that stood in functions of /srv/shop/views.py."""
    stacks = tuple(Thread(n, (Frame("/srv/shop/views.py", 10 + n, function),)) for n, function in threads)
    return black_box.Testimony("Segmentation fault", stacks, "the text")


def test_the_request_of_the_crashed_thread_is_the_culprit() -> None:
    """Not the one that ran longest, but the one whose thread received the signal, is named first, with its line."""
    words = LastWords(WHO, [aborted("/long", 9, 2), aborted("/import", 1, 1)], saw((1, "scale"), (2, "wait")))

    assert words.message == (
        "worker 3 (pid 4711) died (killed, SIGSEGV) while serving GET /import (1.0 s, at /srv/shop/views.py:11 in scale), "
        "GET /long (9.0 s, at /srv/shop/views.py:12 in wait); it had served 13 requests in 62.0 s and used 52 MiB"
    )


def test_without_a_black_box_the_longest_request_is_named_first() -> None:
    """SIGKILL leaves no stack: what is known are the requests and how long each had run; many are counted."""
    words = LastWords(WHO, [aborted(f"/{i}", i) for i in range(1, 7)], None, signal.SIGKILL)

    assert "died (killed, SIGKILL) while serving GET /6 (6.0 s), GET /5 (5.0 s)" in words.message
    assert "GET /3 (3.0 s) and 2 others;" in words.message


def test_an_idle_worker_and_requests_without_rows_are_said_so() -> None:
    """Nothing is made up where nothing is known."""
    assert "died (killed) while idle;" in LastWords(WHO, []).message
    unknown = LastWords(WHO, [Aborted("(unknown)", "killed", 4, None)])
    assert "in 4 requests of unknown route;" in unknown.message


def test_the_event_says_the_same_in_parts() -> None:
    """The payload for the journal is JSON with a name, the sentence, and flat attributes."""
    words = LastWords(WHO, [aborted("/import", 1, 1)], saw((1, "scale")), signal.SIGSEGV)

    event = json.loads(words.payload())

    assert event["event"] == "wsgiapm.worker.died"
    assert event["body"] == words.message
    attributes = event["attributes"]
    in_flight = json.loads(attributes.pop("wsgiapm.in_flight"))
    assert [(row["route"], row["at"]) for row in in_flight] == [("/import", "/srv/shop/views.py:11 in scale")]
    assert attributes == {
        "worker": 3,
        "process.pid": 4711,
        "wsgiapm.exit": "SIGSEGV",
        "wsgiapm.reason": "killed",
        "wsgiapm.uptime_ms": 62_000,
        "wsgiapm.requests": 14,
        "wsgiapm.memory_bytes": 52 * 2**20,
        "wsgiapm.generation": 7,
        "wsgiapm.aborted": 1,
        "code.file.path": "/srv/shop/views.py",
        "code.line.number": 11,
        "code.function.name": "scale",
        "code.stacktrace": "the text",
    }


@pytest.mark.parametrize(
    ("status", "text"),
    [(signal.SIGKILL, "SIGKILL"), (signal.SIGSEGV | 0x80, "SIGSEGV"), (3 << 8, "exit code 3"), (None, "unknown")],
)
def test_the_exit_status_is_put_in_words(status: int | None, text: str) -> None:
    """A signal's name, with or without a core file, an exit code, or that nobody knows."""
    assert describe_exit(status, None) == text


def test_without_a_status_the_black_box_names_the_signal() -> None:
    """What the interpreter said before it died stands in for the status."""
    assert describe_exit(None, saw((1, "scale"))) == "SIGSEGV"


def test_the_sentence_is_one_line_that_is_written_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    """Routes in any script, endless ones and endless paths of files: what a pipe takes in one piece, with all that counts."""
    deep = Frame("/srv/" + "深" * 300 + "/视图.py", 7, "函" * 300)
    testimony = black_box.Testimony("Aborted", (Thread(1, (deep,)),), "")
    words = LastWords(WHO, [aborted("/订单/" + "长" * 190, i, i) for i in range(1, 6)], testimony, signal.SIGABRT)
    log.warning("%s", words.message)

    (line,) = capfd.readouterr().err.splitlines()
    assert len(line.encode()) < 4096
    assert "died (killed, SIGABRT) while serving GET /订单/长" in line
    assert "视图.py:7 in 函" in line
    assert line.endswith("it had served 10 requests in 62.0 s and used 52 MiB")


def test_greenlets_share_a_thread_so_none_is_blamed_for_the_line() -> None:
    """What is known is where the thread stood, not which of its requests had brought it there."""
    words = LastWords(WHO, [aborted("/a", 2, 1), aborted("/b", 1, 1)], saw((1, "scale")), signal.SIGSEGV)

    assert "while serving GET /a (2.0 s), GET /b (1.0 s), at /srv/shop/views.py:11 in scale; it had" in words.message


def test_who_died_unseen_died_at_least_that_late() -> None:
    """The whole app was gone for a while: nobody can say more than when it gave its last sign of life."""
    header = [0] * 64
    header[layout.CLAIMED_MONOTONIC], header[layout.LAST_HARVEST] = 10 * SECOND, 70 * SECOND
    with_status = Deceased.read(0, header, just_now=True)
    without = Deceased.read(0, header, just_now=False)

    assert (without.uptime, without.is_exact, with_status.is_exact) == (60 * SECOND, False, True)
    assert "in at least 60.0 s" in LastWords(without, []).message
