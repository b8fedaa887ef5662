# SPDX-License-Identifier: Apache-2.0
"""The agent's own log."""

from __future__ import annotations

import os
import re

import pytest

from wsgiapm import clock, log

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4} \[(\d+)\] \[([A-Z]+)\] wsgiapm: (.*)\n")


@pytest.fixture(autouse=True)
def default_log():
    """Every test starts and ends with the log as it is before configure()."""
    log.configure(None, "INFO")
    yield
    log.configure(None, "INFO")


@pytest.fixture
def log_file(tmp_path):
    """A path the log is configured to write to."""
    path = tmp_path / "agent.log"
    log.configure(str(path), "DEBUG")
    return path


def test_a_line_has_time_pid_level_and_text(capfd):
    """Lines look like gunicorn's and go to stderr unless configured."""
    log.warning("cannot reach %s", "10.0.0.1")
    match = LINE.fullmatch(capfd.readouterr().err)
    assert match is not None
    assert match.groups() == (str(os.getpid()), "WARNING", "cannot reach 10.0.0.1")


def test_levels_below_the_threshold_are_not_written(capfd):
    """The level given to configure() is the least that is written."""
    log.configure(None, "warning")
    log.debug("one")
    log.info("two")
    log.warning("three")
    log.error("four")
    assert [match[2] for match in LINE.finditer(capfd.readouterr().err)] == ["WARNING", "ERROR"]


def test_a_line_goes_to_the_file(log_file, capfd):
    """With a path, the file gets the lines and stderr none."""
    log.debug("hello")
    log.info("again")
    assert [match[3] for match in LINE.finditer(log_file.read_text())] == ["hello", "again"]
    assert capfd.readouterr().err == ""


def test_a_rotated_file_is_begun_anew(log_file):
    """After the file is renamed, the next line makes a new one."""
    log.info("old")
    log_file.rename(log_file.with_suffix(".1"))
    log.info("new")
    assert log_file.read_text().endswith("wsgiapm: new\n")


def test_a_child_writes_with_its_own_pid(log_file):
    """The log goes on in a forked child."""
    pid = os.fork()
    if pid == 0:
        log.info("from the child")
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert f"[{pid}] [INFO] wsgiapm: from the child" in log_file.read_text()


def test_a_relative_path_stays_where_it_was_configured(tmp_path, monkeypatch):
    """A later chdir does not move the log."""
    monkeypatch.chdir(tmp_path)
    log.configure("agent.log", "INFO")
    monkeypatch.chdir("/")
    log.info("here")
    assert (tmp_path / "agent.log").read_text().endswith("here\n")


def test_a_file_that_cannot_be_written_is_said_once_on_stderr(tmp_path, capfd):
    """The lines are not lost, and the reason is told."""
    path = str(tmp_path / "missing" / "agent.log")
    log.configure(path, "INFO")
    log.info("first")
    log.info("second")
    said = [match[3] for match in LINE.finditer(capfd.readouterr().err)]
    assert said[0].startswith(f"cannot write log_file {path}: ")
    assert said[1:] == ["first", "second"]


def test_a_record_is_one_line(capfd):
    """Line ends and control characters of foreign text cannot forge a line."""
    log.info("a\nb\rc\x1b[31m")
    assert capfd.readouterr().err.endswith("wsgiapm: a\\nb\\rc\\x1b[31m\n")


def test_text_that_is_no_unicode_is_written(capfd):
    """A lone surrogate, as in a path that is not UTF-8, is escaped."""
    log.info("path %s", "x\udcff")
    assert capfd.readouterr().err.endswith("path x\\udcff\n")


class _Unprintable:
    def __str__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize("arguments", [("text",), (1, 2), (_Unprintable(),)], ids=["type", "number", "broken"])
def test_arguments_that_do_not_fit_do_not_raise(arguments, capfd):
    """The message is written without its arguments."""
    log.info("count %d" if arguments == ("text",) else "value %s", *arguments)
    assert "that do not fit" in capfd.readouterr().err


def test_a_closed_stderr_does_not_raise():
    """A process without stderr goes on: the child that closes it ends well."""
    pid = os.fork()
    if pid == 0:
        os.close(2)
        log.error("nobody reads this")
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def test_once_repeats_a_key_after_an_hour(capfd, monkeypatch):
    """Another key is another line; the same key comes again only an hour later."""
    now = [10**12]
    monkeypatch.setattr(clock, "monotonic_ns", lambda: now[0])
    log.once("disk", "warning", "disk is full")
    log.once("disk", "warning", "disk is full")
    log.once("net", "error", "no net")
    now[0] += 3600 * 10**9
    log.once("disk", "warning", "disk is full still")
    said = [match[3] for match in LINE.finditer(capfd.readouterr().err)]
    assert said == ["disk is full", "no net", "disk is full still"]


def test_once_keeps_quiet_about_a_line_below_the_threshold(capfd):
    """A line that was not written does not count as said."""
    log.once("key", "debug", "hidden")
    log.once("key", "info", "shown")
    assert [match[3] for match in LINE.finditer(capfd.readouterr().err)] == ["shown"]


def test_the_keys_of_once_are_bounded(monkeypatch):
    """Keys with ever new text do not fill the memory."""
    monkeypatch.setattr(log, "_write", lambda descriptor, line: None)
    for number in range(5000):
        log.once(f"key {number}", "info", "x")
    assert len(log._state.said) <= 1000
