# SPDX-License-Identifier: Apache-2.0
"""What the interpreter writes when a process dies of a signal, and what is read from it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from wsgiapm.aggregate.directory import create_directory, open_directory
from wsgiapm.call_site import is_app_code
from wsgiapm.profile.black_box import Frame, clear_black_box, parse, read_black_box
from wsgiapm.profile.other_witness import give_back

DUMP = """\
Fatal Python error: Segmentation fault

Thread 0x00007f0000000002 (most recent call first):
  File "/srv/shop/views.py", line 12 in wait
  File "/usr/lib/python3.11/threading.py", line 982 in run

Current thread 0x00007f0000000001 (most recent call first):
  File "/srv/venv/lib/python3.11/site-packages/PIL/Image.py", line 7 in load
  File "/srv/shop/images.py", line 88 in scale
  File "/srv/shop/wsgi.py", line 3 in <module>
"""

_DIE = """
import ctypes, os, signal, sys
from wsgiapm.aggregate.directory import open_directory
from wsgiapm.profile.black_box import BlackBox

box = BlackBox()
box.install(open_directory(sys.argv[1]), 3)

def crash():
    if sys.argv[2] == "segv":
        ctypes.string_at(0)
    os.abort()

if sys.argv[2] == "fork":
    pid = os.fork()
    if not pid:
        box.leave()
        crash()
    os.waitpid(pid, 0)
else:
    crash()
"""


def die(directory: Path, how: str) -> int:
    """Have a process with a black box die; returns its status."""
    command = [sys.executable, "-c", _DIE, str(directory), how]
    return subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": os.getcwd()}, timeout=30).returncode


def test_the_thread_that_crashed_comes_first() -> None:
    """The current thread leads, and of each thread the innermost frame of the app's own code is picked."""
    testimony = parse(DUMP)

    assert testimony is not None
    assert testimony.reason == "Segmentation fault"
    assert [thread.identifier for thread in testimony.threads] == [0x7F0000000001, 0x7F0000000002]
    assert testimony.app_frames() == {
        0x7F0000000001: Frame("/srv/shop/images.py", 88, "scale"),
        0x7F0000000002: Frame("/srv/shop/views.py", 12, "wait"),
    }


def test_a_thread_that_is_just_being_made_hides_nothing() -> None:
    """Until it runs the interpreter shows it under the identifier of the thread that makes it, without a frame."""
    made = "Thread 0x00007f0000000001 (most recent call first):\n  <no Python frame>\n\nCurrent thread"
    testimony = parse(DUMP.replace("Current thread", made))

    assert testimony is not None
    assert testimony.app_frames()[0x7F0000000001] == Frame("/srv/shop/images.py", 88, "scale")


@pytest.mark.parametrize("text", ["", "garbage", "\0" * 100])
def test_what_cannot_be_read_is_nothing(text: str) -> None:
    """An empty or foreign file is no testimony."""
    assert parse(text) is None


def test_libraries_and_ourselves_are_not_the_apps_code() -> None:
    """Frames of the standard library, of installed packages, of scripts, of wsgiapm and of no file are passed over."""
    assert is_app_code("/srv/shop/views.py")
    assert not is_app_code(os.__file__)
    assert not is_app_code(pytest.__file__)
    assert not is_app_code(os.path.join(os.path.dirname(sys.executable), "gunicorn"))
    assert not is_app_code(read_black_box.__code__.co_filename)
    assert not is_app_code("<frozen importlib._bootstrap>")


@pytest.mark.parametrize(
    ("how", "number", "reason"),
    [("segv", signal.SIGSEGV, "Segmentation fault"), ("abort", signal.SIGABRT, "Aborted")],
)
def test_a_process_that_crashes_leaves_the_line(tmp_path: Path, how: str, number: int, reason: str) -> None:
    """A real crash is written into the box of the segment, read once and then cleared."""
    directory = create_directory(str(tmp_path / "shared"))

    assert die(tmp_path / "shared", how) == -number

    testimony = read_black_box(directory, 3)
    assert testimony is not None
    assert testimony.reason == reason
    assert [frame.function for thread in testimony.threads for frame in thread.frames][-2:] == ["crash", "<module>"]
    clear_black_box(directory, 3)
    assert read_black_box(directory, 3) is None
    directory.close()


def test_what_kills_a_forked_child_is_not_in_its_parents_box(tmp_path: Path) -> None:
    """After a fork the child's crash is its own."""
    create_directory(str(tmp_path / "shared")).close()

    assert die(tmp_path / "shared", "fork") == 0

    directory = open_directory(str(tmp_path / "shared"))
    assert read_black_box(directory, 3) is None
    directory.close()


def test_who_had_a_faulthandler_before_has_it_back_in_a_child(tmp_path: Path) -> None:
    """What kills a forked child goes to where the app wanted it; the note of that is no part of any testimony."""
    create_directory(str(tmp_path / "shared")).close()
    program = _DIE.replace(
        "box = BlackBox()",
        f"import faulthandler\nfile = open({str(tmp_path / 'own')!r}, 'w')\nfaulthandler.enable(file)\nbox = BlackBox()",
    )
    command = [sys.executable, "-c", program, str(tmp_path / "shared")]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    subprocess.run([*command, "fork"], check=True, env=environment, timeout=30)
    assert "Aborted" in (tmp_path / "own").read_text()
    subprocess.run([*command, "segv"], check=False, env=environment, timeout=30)

    directory = open_directory(str(tmp_path / "shared"))
    testimony = read_black_box(directory, 3)
    assert testimony is not None
    assert testimony.owed_to == str(tmp_path / "own")
    assert testimony.text.startswith("Fatal Python error: Segmentation fault")
    directory.close()


def test_giving_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """To the file, to stderr, or, when the file is gone or no file, to nobody at all, without a fuss."""
    (tmp_path / "own").write_text("before\n")
    for place in (str(tmp_path / "own"), "stderr", str(tmp_path / "gone"), ""):
        give_back(place, "text\n")

    assert (tmp_path / "own").read_text() == "before\ntext\n"
    assert capfd.readouterr().err == "text\n"
