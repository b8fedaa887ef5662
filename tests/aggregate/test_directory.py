# SPDX-License-Identifier: Apache-2.0
"""The shared directory: what is refused, and locks that say who is alive."""

from __future__ import annotations

import os
import signal
import time
from functools import partial

import pytest

from tests.aggregate.counting import die, fork, run, wait
from wsgiapm.aggregate import directory as directory_module
from wsgiapm.aggregate import layout, record_lock
from wsgiapm.aggregate.directory import create_directory, lock_segment, open_directory, segment_is_live
from wsgiapm.aggregate.shared_file import SharedFile
from wsgiapm.errors import SharedDirectoryError

BYTE = layout.SEGMENT_LOCKS + 3


@pytest.fixture
def opened(shared):
    """A shared directory."""
    directory = create_directory(shared)
    yield directory
    directory.close()


def test_a_new_directory_is_ours_alone(opened, shared):
    """It is made with mode 0700, its parent too if that is missing."""
    assert os.stat(shared).st_mode & 0o7777 == 0o700


def test_the_parent_is_made_too(shared):
    """One level above may be missing; two are an error that says so."""
    create_directory(f"{shared}/app").close()
    assert os.stat(shared).st_mode & 0o7777 == 0o700

    with pytest.raises(SharedDirectoryError, match="does not exist"):
        create_directory(f"{shared}/no/such/place")


def test_a_missing_directory_is_named(shared):
    """Who only reads makes nothing."""
    with pytest.raises(SharedDirectoryError, match=f"{shared} does not exist; start the app, or name the right one"):
        open_directory(shared)
    assert not os.path.exists(shared)


def test_a_symbolic_link_is_refused(opened, shared):
    """A link may have been laid by somebody else; also a dangling one is not followed."""
    for target in (shared, shared + "-nowhere"):
        os.symlink(target, shared + "-link")
        for attempt in (create_directory, open_directory):
            with pytest.raises(SharedDirectoryError, match="is a symbolic link; name the directory itself"):
                attempt(shared + "-link")
        os.unlink(shared + "-link")


def test_a_file_in_its_place_is_refused(shared):
    """What is no directory is left alone."""
    with open(shared, "w", encoding="ascii"):
        pass
    with pytest.raises(SharedDirectoryError, match="is not a directory; remove it or choose another"):
        create_directory(shared)


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_directory_that_others_may_write_is_refused(shared, mode):
    """The message tells how to make it right, and then it works."""
    os.mkdir(shared)
    os.chmod(shared, mode)
    with pytest.raises(SharedDirectoryError, match=f"mode {mode:04o}.*; run: chmod 0700 {shared}"):
        create_directory(shared)
    os.chmod(shared, 0o700)
    create_directory(shared).close()


def as_user(uid, work):
    """Run `work` in a child process of another user."""

    def drop_and_work():
        os.setgid(uid)
        os.setuid(uid)
        work()

    return run(drop_and_work)


@pytest.fixture
def root():
    """Skips where we are not root."""
    if os.geteuid() != 0:
        pytest.skip("only root can play two users")


def expect(says, attempt):
    """Fail unless `attempt` is refused with these words."""
    with pytest.raises(SharedDirectoryError, match=says):
        attempt()


def test_anothers_directory_is_refused(root, opened, shared):
    """A directory of somebody else is not ours to count in."""
    os.chmod(os.path.dirname(shared), 0o755)
    os.chmod(shared, 0o755)
    says = "belongs to uid 0, not to uid 4321"

    assert as_user(4321, lambda: expect(says, lambda: open_directory(shared))) == 0


def test_a_parent_that_others_can_change_is_refused(shared):
    """Where others may rename the directory away they could put theirs in its place; /tmp's sticky bit prevents that."""
    parent = os.path.dirname(shared)
    os.chmod(parent, 0o777)
    expect("can be changed by other users", lambda: create_directory(shared))
    os.chmod(parent, 0o1777)
    create_directory(shared).close()
    os.chmod(parent, 0o700)


def test_a_parent_of_another_user_is_refused(root, shared):
    """The parent has to be root's or our own."""
    os.mkdir(shared, 0o755)
    os.mkdir(f"{shared}/app", 0o700)
    os.chown(f"{shared}/app", 4321, -1)
    os.chown(shared, 4322, -1)
    os.chmod(os.path.dirname(shared), 0o755)

    assert as_user(4321, lambda: expect("can be changed by other", lambda: open_directory(f"{shared}/app"))) == 0


def test_root_makes_the_directory_for_the_workers_user(root, shared):
    """A master that is root makes everything so that its workers can use it; root itself may look in."""
    os.chmod(os.path.dirname(shared), 0o755)
    made = create_directory(shared, 4321)
    file = SharedFile(made, "something", os.O_RDWR | os.O_CREAT)
    file.close()
    assert made.try_lock(1)
    made.close()

    assert os.stat(shared).st_uid == 4321
    assert {os.stat(f"{shared}/{name}").st_uid for name in os.listdir(shared)} == {4321}

    def work():
        directory = create_directory(shared)
        assert directory.try_lock(1)
        SharedFile(directory, "something").close()

    assert as_user(4321, work) == 0


def test_root_is_not_led_to_a_file_of_its_own(root, shared):
    """A hard link in a user's directory to a file of root's is neither opened nor given away."""
    secret = shared + "-secret"
    with open(secret, "w", encoding="ascii"):
        pass
    made = create_directory(shared, 4321)
    for name in ("segment-0", "locks"):
        os.link(secret, f"{shared}/{name}")
        expect("is not a regular file of uid 4321; remove it", partial(made.open, name, os.O_RDWR | os.O_CREAT))
    expect("not a regular file", lambda: made.try_lock(1))
    made.close()

    assert os.stat(secret).st_uid == 0


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["fifo", "directory"])
def test_only_regular_files_are_opened(opened, shared, make):
    """A named pipe does not block us, a directory is not written to."""
    make(f"{shared}/segment-0")
    with pytest.raises((SharedDirectoryError, IsADirectoryError)):
        opened.open("segment-0", os.O_RDWR | os.O_CREAT)
    expect("not a regular file", lambda: opened.open("segment-0"))


def test_a_file_that_is_a_link_is_not_followed(opened, shared):
    """Nothing outside of the directory is reached through it."""
    os.symlink("/etc/passwd", f"{shared}/index")
    with pytest.raises(SharedDirectoryError, match="not a regular file"):
        opened.open("index")


def test_segments_are_listed_by_number(opened, shared):
    """Only names as we write them count: no signs, no leading zeros, no foreign digits, no numbers beyond the last."""
    good = [0, 2, 10, 1023]
    for name in [*(f"segment-{n}" for n in good), "segment-01", "segment-1024", "segment-", "segment--1", "segment-²"]:
        with open(f"{shared}/{name}", "w", encoding="ascii"):
            pass
    os.mkdir(f"{shared}/segment-x")

    assert opened.segments() == good


def test_a_descriptor_that_was_closed_is_opened_again(opened, shared):
    """A daemoniser closes all descriptors it finds; the directory is opened anew, and locks are taken in the right file."""
    assert opened.try_lock(BYTE)
    os.close(opened._descriptor)
    assert opened.segments() == []
    assert opened.try_lock(BYTE)


def test_a_descriptor_that_became_another_file_is_not_used(opened, shared, tmp_path):
    """When the number of our descriptor now belongs to a file of the app, nothing of ours touches that."""
    assert opened.try_lock(BYTE)
    mine = SharedFile(opened, "index", os.O_RDWR | os.O_CREAT)
    _, locks = opened._locks_file(), directory_module._locks_by_inode
    numbers = [opened._descriptor, mine._descriptor, *locks.values()]
    theirs = os.open(tmp_path / "theirs", os.O_RDWR | os.O_CREAT)
    for number in numbers:
        os.dup2(theirs, number)
    mine.write(b"ours", 0)
    assert mine.read(4, 0) == b"ours"
    # The locks went with the descriptor; taking them again works, and in our file.
    assert opened.try_lock(BYTE)
    assert wait(fork(lambda: None if open_directory(shared).is_locked(BYTE) else 1 / 0)) == 0
    mine.close()
    for number in numbers:
        os.close(number)

    assert os.fstat(theirs).st_size == 0
    os.close(theirs)


def test_a_directory_that_was_replaced_is_noticed(opened, shared):
    """Another directory at the same path is not ours; the error says what to do."""
    os.close(opened._descriptor)
    os.rename(shared, shared + "-away")
    os.mkdir(shared, 0o700)
    with pytest.raises(OSError, match="was replaced by another one while in use; restart the app"):
        opened.segments()


def test_a_file_that_was_replaced_is_noticed(opened, shared):
    """A file that somebody put in the place of ours is not written to."""
    file = SharedFile(opened, "index", os.O_RDWR | os.O_CREAT)
    os.close(file._descriptor)
    os.unlink(f"{shared}/index")
    for name in ("kept", "index"):
        with open(f"{shared}/{name}", "w", encoding="ascii"):
            pass
    with pytest.raises(OSError, match="was replaced by another file"):
        file.write(b"x", 0)
    os.mkfifo(f"{shared}/pipe")
    os.replace(f"{shared}/pipe", f"{shared}/index")
    with pytest.raises(OSError, match="not a regular file"):
        file.read(1, 0)
    file.close()


def test_a_lock_is_seen_by_others_and_by_us(opened, shared):
    """Each process sees who is alive; a process that asks for its own lock gets it, a second user in it does not."""
    assert lock_segment(opened, 3)
    assert lock_segment(opened, 3)
    assert segment_is_live(opened, 3)
    second = open_directory(shared)
    assert not second.try_lock(BYTE)
    assert second.is_locked(BYTE)
    second.unlock(BYTE)

    def look():
        other = open_directory(shared)
        assert segment_is_live(other, 3)
        assert not lock_segment(other, 3)
        assert not segment_is_live(other, 4)

    assert run(look) == 0
    opened.unlock(BYTE)
    assert not second.is_locked(BYTE)
    assert second.try_lock(BYTE)
    second.close()
    assert not segment_is_live(opened, 3)


def test_interpreters_of_one_process_keep_each_other_out(opened, shared, monkeypatch):
    """Each has a copy of the module; the kernel would grant both the same lock, for it knows processes only."""
    monkeypatch.setattr(directory_module, "_held", {})
    assert opened.try_lock(BYTE)
    first = directory_module._held
    with monkeypatch.context() as other_interpreter:
        other_interpreter.setattr(directory_module, "_held", {})
        other_interpreter.setattr(directory_module, "_locks_by_inode", {})
        second = open_directory(shared)
        assert second.holder(BYTE) == os.getpid()
        assert not second.try_lock(BYTE)
        second.unlock(BYTE)
        assert second.try_lock(BYTE + 1)
        theirs = directory_module._held

    assert (len(first), len(theirs)) == (1, 1)
    assert opened.try_lock(BYTE)
    assert not opened.try_lock(BYTE + 1)
    assert run(lambda: 1 / 0 if open_directory(shared).try_lock(BYTE) else None) == 0
    second.close()


def test_a_lock_is_still_ours_after_an_exception_out_of_a_signal_handler(opened, monkeypatch):
    """It may come after the kernel has granted the lock: nobody could take it any more if it was forgotten."""

    def granted_and_interrupted(descriptor, byte):
        assert record_lock.renew(descriptor, byte)
        raise SystemExit

    monkeypatch.setattr(record_lock, "take", granted_and_interrupted)
    with pytest.raises(SystemExit):
        opened.try_lock(BYTE)
    monkeypatch.undo()

    assert opened.try_lock(BYTE)
    opened.unlock(BYTE)
    assert not opened.is_locked(BYTE)


def test_a_child_has_none_of_its_parents_locks(opened, shared):
    """After a fork the child asks like anybody else, through the object it inherited as well."""

    def child():
        assert opened.is_locked(BYTE)
        assert not opened.try_lock(BYTE)
        opened.unlock(BYTE)
        opened.close()

    assert opened.try_lock(BYTE)
    assert run(child) == 0
    assert run(lambda: None if open_directory(shared).is_locked(BYTE) else 1 / 0) == 0


def test_closing_frees_what_was_locked_through_it(opened, shared):
    """Closing frees the locks of this object, and only those."""
    second = open_directory(shared)
    assert opened.try_lock(1)
    assert second.try_lock(2)
    second.close()

    def look():
        other = open_directory(shared)
        assert other.is_locked(1)
        assert not other.is_locked(2)

    assert run(look) == 0


def test_sigkill_frees_a_lock_even_when_a_child_lives_on(opened, shared):
    """The kernel frees a record lock with its process, whatever a forked child has inherited."""
    reading, writing = os.pipe()

    def worker():
        own = open_directory(shared)
        assert own.try_lock(BYTE)
        orphan = fork(lambda: time.sleep(60))
        os.write(writing, orphan.to_bytes(4, "little"))
        die()

    assert wait(fork(worker)) == -signal.SIGKILL
    orphan = int.from_bytes(os.read(reading, 4), "little")
    os.kill(orphan, 0)
    assert not opened.is_locked(BYTE)
    assert opened.try_lock(BYTE)
    os.kill(orphan, signal.SIGKILL)
    os.close(reading)
    os.close(writing)
