# SPDX-License-Identifier: Apache-2.0
"""The shared directory is removed under running processes, as logind's RemoveIPC does; no total goes down."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.aggregate.counting import finished, header_word, record, recorder_at
from wsgiapm.aggregate import index_file, layout, restoration
from wsgiapm.aggregate.directory import create_directory
from wsgiapm.aggregate.instance import observe
from wsgiapm.aggregate.merge import merge
from wsgiapm.aggregate.restoration import is_in_place, place_beside, restore
from wsgiapm.errors import SharedDirectoryError

# Counts from several threads until SIGTERM, and says how many requests it has finished.
_COUNT = """
import signal, sys, threading, time
from wsgiref.util import setup_testing_defaults
from wsgiapm import APMMiddleware

ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]

application = APMMiddleware(app)
counts = []

def count(number):
    done = 0
    while not ended.is_set():
        environ = {}
        setup_testing_defaults(environ)
        environ["PATH_INFO"] = f"/{'abcdefgh'[done % 8]}{number}"
        application(environ, lambda *_: None)
        done += 1
        time.sleep(0.001)
    counts.append(done)

threads = [threading.Thread(target=count, args=(n,)) for n in range(3)]
for thread in threads: thread.start()
print("counting", flush=True)
for thread in threads: thread.join()
time.sleep(2.5)  # two harvests: whatever is missing is put back now
print(sum(counts), flush=True)
sys.stdin.readline()
"""

Start = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where the shared directory is."""
    return str(tmp_path / "shared")


@pytest.fixture
def start(path: str) -> Iterator[Start]:
    """Start a process that counts until it is told to stop, and lives until its input ends."""
    started: list[subprocess.Popen[str]] = []
    environment = {
        **os.environ,
        "PYTHONPATH": os.getcwd(),
        "WSGIAPM_SHARED_DIR": path,
        "WSGIAPM_ENDPOINT": "http://127.0.0.1:9",
        "WSGIAPM_HARVEST_INTERVAL": "1s",
        "WSGIAPM_LOG_LEVEL": "ERROR",
    }

    def run() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", _COUNT]
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "counting\n"
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def stop(process: subprocess.Popen[str]) -> int:
    """Have a process stop counting; returns what it has counted. It lives on."""
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None
    return int(process.stdout.readline())


def end(process: subprocess.Popen[str]) -> None:
    """Let a process end."""
    process.communicate("\n", timeout=20)


def test_totals_are_equal_after_the_directory_was_removed(
    path: str, start: Start, wait_until: Callable[..., object]
) -> None:
    """Counters of living and of dead processes are put back under the same epoch; new ones join them."""
    dead = start()
    total = stop(dead)
    end(dead)
    living = [start() for _ in range(3)]
    epoch = observe(path).header.epoch
    wait_until(lambda: finished(path) > total + 300, "some requests are counted")
    before = finished(path)
    # The leader has seen the dead process's segment: it looks at every harvest.
    wait_until(lambda: finished(path) > before + 2000, "a harvest or two have passed")

    shutil.rmtree(path)
    wait_until(lambda: os.path.exists(f"{path}/index"), "the directory is back")
    late = start()
    total += sum(stop(process) for process in [*living, late])

    assert finished(path) == total
    assert observe(path).header.epoch == epoch
    for process in [*living, late]:
        end(process)
    assert finished(path) == total


def test_a_directory_that_is_in_place_is_left_alone(path: str) -> None:
    """Being there is seen, and so is being gone, or replaced."""
    recorder = recorder_at(path)
    record(recorder)
    assert is_in_place(recorder.instance)

    os.rename(path, f"{path}-moved")
    assert not is_in_place(recorder.instance)
    create_directory(path).close()
    assert not is_in_place(recorder.instance)
    recorder.instance.close()


def test_what_is_counted_after_the_move_is_in_the_new_file(path: str) -> None:
    """A recorder goes on with series old and new; a request that was running ends where it is now."""
    recorder = recorder_at(path)
    record(recorder, "/before")
    running = recorder.instance.cells
    shutil.rmtree(path)

    assert restore(recorder.instance)
    assert recorder.instance.cells is not running
    record(recorder, "/before")
    record(recorder, "/after")

    assert finished(path) == 3
    assert is_in_place(recorder.instance)
    recorder.instance.close()


def test_only_the_old_file_says_that_it_was_moved(path: str) -> None:
    """Who keeps the old one open does not count it; the new one is whole, and counts."""
    recorder = recorder_at(path)
    with open(f"{path}/segment-0", "rb") as old:
        shutil.rmtree(path)
        assert restore(recorder.instance)

        old.seek(layout.MOVED * layout.WORD)
        assert old.read(layout.WORD) == layout.U64.pack(1)
    assert header_word(path, 0, layout.MOVED) == 0
    recorder.instance.close()


def test_a_number_that_is_taken_meanwhile_is_no_obstacle(path: str) -> None:
    """Who comes back later counts under the next free number, and nothing is left out."""
    first, second = recorder_at(path), recorder_at(path)
    for recorder in (first, second):
        record(recorder, "/before")
    shutil.rmtree(path)
    assert restore(first.instance)
    late = recorder_at(path)
    record(late, "/late")

    assert restore(second.instance)
    record(second, "/after")

    assert (first.instance.segment.number, late.instance.segment.number, second.instance.segment.number) == (0, 1, 2)
    assert finished(path) == 4
    assert sorted(os.listdir(path)) == ["index", "locks", "segment-0", "segment-1", "segment-2"]
    for recorder in (first, second, late):
        recorder.instance.close()


def test_series_wait_while_there_is_no_directory(path: str) -> None:
    """What is new between removal and restoration is kept in its row and counted under its own name."""
    recorder = recorder_at(path)
    record(recorder, "/before")
    shutil.rmtree(path)
    record(recorder, "/meanwhile")

    assert restore(recorder.instance)
    recorder.work_off()

    routes = {dict(p.attributes)["http.route"] for f in merge(path).families if f.kind == "histogram" for p in f.points}
    assert routes == {"/before", "/meanwhile"}
    recorder.instance.close()


@pytest.mark.parametrize("removed", ["directory", "index"])
def test_beside_another_instance_in_the_place_ours_goes_on(
    path: str, removed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may not look into us founds another instance; ours keeps its name and its counts, all of it in one place."""
    first, second = recorder_at(path), recorder_at(path)
    for recorder in (first, second):
        record(recorder, "/before")
    epoch = first.instance.header.epoch
    if removed == "index":
        os.unlink(f"{path}/index")
    else:
        shutil.rmtree(path)
    with monkeypatch.context() as context:
        context.setattr(index_file, "find_indexes", lambda _: [])
        stranger = recorder_at(path)
    record(stranger, "/stranger")
    assert stranger.instance.header.epoch != epoch

    for recorder in (first, second):
        assert restore(recorder.instance)
        assert is_in_place(recorder.instance)
        record(recorder, "/after")

    beside = place_beside(path, epoch)
    assert observe(beside).header.epoch == epoch
    assert (finished(beside), finished(path)) == (4, 1)
    assert not [name for name in os.listdir(path) if name.startswith("damaged")]
    for recorder in (first, second, stranger):
        recorder.instance.close()


def test_who_can_be_nowhere_says_so_and_counts_on(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link in the place, and nothing to be made beside it: the error names the link, and requests are still counted."""
    recorder = recorder_at(path)
    os.rename(path, f"{path}-moved")
    os.symlink(f"{path}-moved", path)
    monkeypatch.setattr(restoration, "place_beside", lambda *_: path)

    with pytest.raises(SharedDirectoryError, match="is a symbolic link"):
        restore(recorder.instance)

    record(recorder)
    assert finished(f"{path}-moved") == 1
    recorder.instance.close()


def test_beside_a_link_in_the_place_ours_goes_on(path: str) -> None:
    """A directory that was exchanged for a link is not followed; what has been counted is kept, with what comes."""
    recorder = recorder_at(path)
    record(recorder, "/before")
    os.rename(path, f"{path}-moved")
    os.symlink(f"{path}-moved", path)

    assert restore(recorder.instance)
    record(recorder, "/after")

    assert finished(place_beside(path, recorder.instance.header.epoch)) == 2
    recorder.instance.close()
