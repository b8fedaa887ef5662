# SPDX-License-Identifier: Apache-2.0
"""The shared directory itself: opening it safely, its files, and its record locks."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from wsgiapm.aggregate import layout, record_lock
from wsgiapm.errors import SharedDirectoryError

_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FILE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
# What the kernel says when a link, a directory or a socket is opened as we open files.
_IRREGULAR = (errno.ELOOP, errno.EISDIR, errno.ENXIO)
LOCKS = "locks"
_DIGITS = 4

# A process loses all its record locks on a file when it closes any descriptor of it, so each is opened once for good.
_locks_by_inode: dict[tuple[int, int], int] = {}
# Of those that were removed so many stay open, for as long as something may still be put back that they guard.
_REMOVED_AT_MOST = 8


class _Claim:
    """Who in this process holds a lock or is about to take it; `sure` once the kernel may have granted it."""

    __slots__ = ("sure", "user")

    def __init__(self, user: SharedDirectory) -> None:
        self.user = user
        self.sure = False


# The kernel grants a process the locks it has already, so a second user of a directory in one process is kept out here.
# By process id, because the child of a fork has none of its parent's locks.
_held: dict[tuple[int, int, int, int], _Claim] = {}


def identify(descriptor: int) -> tuple[int, int] | None:
    """Return device and inode of what a descriptor is open on; None when it is closed."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino


class SharedDirectory:
    """An open shared directory. Everything in it is reached relative to its descriptor."""

    def __init__(self, path: str, descriptor: int) -> None:
        """Take over `descriptor`, open at `path`, which `owner` (a uid) owns; use `open_directory` or `create_directory` to get one."""
        self.path = path
        self._descriptor = descriptor
        status = os.fstat(descriptor)
        self._inode = (status.st_dev, status.st_ino)
        self.owner = status.st_uid

    @property
    def descriptor(self) -> int:
        """The open descriptor; opened again if somebody closed it (a daemoniser closes all it finds).

        Raises OSError when another directory is now at the path.
        """
        if identify(self._descriptor) != self._inode:
            descriptor = os.open(self.path, _OPEN_DIRECTORY)
            if identify(descriptor) != self._inode:
                os.close(descriptor)
                msg = f"shared directory {self.path} was replaced by another one while in use; restart the app"
                raise OSError(errno.ESTALE, msg)
            self._descriptor = descriptor
        return self._descriptor

    def in_place(self) -> bool:
        """Tell whether others find this very directory at its path."""
        try:
            status = os.stat(self.path, follow_symlinks=False)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._inode

    def open(self, name: str, flags: int = os.O_RDONLY) -> int:
        """Open a regular file of the directory's owner; raises `SharedDirectoryError` for anything else."""
        root = os.geteuid() == 0
        try:
            # Root makes a file for the owner, but takes only what the owner made: a link may lead to a file of root's.
            flag = flags & ~os.O_CREAT if root else flags
            descriptor = os.open(name, flag | _OPEN_FILE, 0o600, dir_fd=self.descriptor)
        except FileNotFoundError:
            if not root or not flags & os.O_CREAT:
                raise
            descriptor = os.open(name, flags | _OPEN_FILE | os.O_EXCL, 0o600, dir_fd=self.descriptor)
            os.fchown(descriptor, self.owner, -1)
        except OSError as error:
            if error.errno not in _IRREGULAR:
                raise
            raise SharedDirectoryError(self._refusal(name)) from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != self.owner:
            os.close(descriptor)
            raise SharedDirectoryError(self._refusal(name))
        return descriptor

    def _refusal(self, name: str) -> str:
        return f"{self.path}/{name} is not a regular file of uid {self.owner}; remove it"

    def rename(self, source: str, target: str) -> None:
        """Rename a file within the directory, atomically."""
        here = self.descriptor
        os.rename(source, target, src_dir_fd=here, dst_dir_fd=here)

    def remove(self, name: str) -> None:
        """Remove a file; raises OSError when that is impossible."""
        os.unlink(name, dir_fd=self.descriptor)

    def segments(self) -> list[int]:
        """Return the numbers of the segments there are, ascending."""
        names = set(os.listdir(self.descriptor))
        digits = (name.rpartition("-")[2] for name in names)
        numbers = (int(text) for text in digits if text.isascii() and text.isdigit() and len(text) <= _DIGITS)
        return sorted({n for n in numbers if n < layout.MAX_SEGMENTS and layout.segment_name(n) in names})

    def close(self) -> None:
        """Free the locks this process took through this object, and close the directory."""
        for key in [key for key, claim in list(_held.items()) if claim.user is self and key[0] == os.getpid()]:
            with suppress(OSError):  # the directory may have been removed
                self.unlock(key[3])
            _held.pop(key, None)
        if identify(self._descriptor) == self._inode:
            os.close(self._descriptor)
        self._descriptor = -1

    def _locks_file(self) -> tuple[int, tuple[int, int]]:
        """Return descriptor and identity of the file of locks, the same one for all users in this process."""
        try:
            status = os.stat(LOCKS, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            pass
        else:
            inode = status.st_dev, status.st_ino
            descriptor = _locks_by_inode.get(inode, -1)
            if identify(descriptor) == inode:
                return descriptor, inode
        descriptor = self._open_locks()
        status = os.fstat(descriptor)
        inode = status.st_dev, status.st_ino
        _locks_by_inode[inode] = descriptor
        _close_removed_locks()
        return descriptor, inode

    def locks(self) -> tuple[int, tuple[int, int]]:
        """Return descriptor and identity of the file of locks, which stays open beyond its name. Do not close it.

        It has been closed when several removals later it is none of the last ones any more: see `identify`.
        """
        return self._locks_file()

    def _open_locks(self) -> int:
        try:
            return self.open(LOCKS, os.O_RDWR | os.O_CREAT)
        except FileExistsError:  # made by another process of root's between two steps
            return self.open(LOCKS, os.O_RDWR)
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
            return self.open(LOCKS)  # enough for who only looks whether others hold them

    def try_lock(self, byte: int) -> bool:
        """Lock one byte without waiting; return whether it is ours (this object's) now, or already was."""
        descriptor, inode = self._locks_file()
        key = (os.getpid(), *inode, byte)
        claim = _Claim(self)
        found = _held.setdefault(key, claim)
        if found.user is not self:
            return False
        take = record_lock.renew if found.sure else record_lock.take
        try:
            granted = take(descriptor, byte)
        except OSError:
            _held.pop(key, None)
            raise
        except BaseException:  # out of a signal handler, perhaps after the kernel had granted it
            found.sure = True
            raise
        if granted:
            found.sure = True
        elif found is claim or found.sure:
            _held.pop(key, None)
        return granted

    def unlock(self, byte: int) -> None:
        """Free one byte, if it is ours."""
        descriptor, inode = self._locks_file()
        key = (os.getpid(), *inode, byte)
        claim = _held.get(key)
        if claim is not None and claim.user is self:
            record_lock.free(descriptor, byte)
            _held.pop(key, None)

    def holder(self, byte: int) -> int | None:
        """Return the id of the process that holds the byte, 0 if it is of another pid namespace; None when it is free."""
        descriptor, inode = self._locks_file()
        if (os.getpid(), *inode, byte) in _held:
            return os.getpid()
        return record_lock.holder(descriptor, byte)

    def is_locked(self, byte: int) -> bool:
        """Tell whether anybody holds the byte: another process, or this one."""
        return self.holder(byte) is not None


def _close_removed_locks() -> None:
    """Close files of locks that were removed long ago: else each removal would cost a descriptor for good."""
    removed = [inode for inode, descriptor in list(_locks_by_inode.items()) if not _has_name(descriptor, inode)]
    for inode in removed[:-_REMOVED_AT_MOST]:
        descriptor = _locks_by_inode.pop(inode, -1)
        if identify(descriptor) == inode:
            os.close(descriptor)
        for key in [key for key in list(_held) if key[1:3] == inode]:
            _held.pop(key, None)


def _has_name(descriptor: int, inode: tuple[int, int]) -> bool:
    return identify(descriptor) == inode and os.fstat(descriptor).st_nlink > 0


def _check(path: str, descriptor: int, uid: int) -> None:
    status = os.fstat(descriptor)
    if status.st_uid != uid and os.geteuid() != 0:
        msg = f"shared directory {path} belongs to uid {status.st_uid}, not to uid {uid}; choose another shared_dir"
        raise SharedDirectoryError(msg)
    if status.st_mode & 0o022:
        mode = stat.S_IMODE(status.st_mode)
        msg = f"shared directory {path} may be written by others (mode {mode:04o}); run: chmod 0700 {path}"
        raise SharedDirectoryError(msg)
    parent = os.stat("..", dir_fd=descriptor)
    writable = parent.st_mode & 0o022 and not parent.st_mode & stat.S_ISVTX
    if parent.st_uid not in (0, uid, status.st_uid) or writable:
        where = os.path.dirname(path)
        msg = f"{where}, which holds the shared directory, can be changed by other users; choose another shared_dir"
        raise SharedDirectoryError(msg)


def open_directory(path: str, uid: int | None = None) -> SharedDirectory:
    """Open an existing shared directory.

    Raises `SharedDirectoryError` when it is missing, a symbolic link, no directory, not of `uid` (default: ours; root
    may open anybody's) or open to others.
    """
    try:
        descriptor = os.open(path, _OPEN_DIRECTORY)
    except OSError as error:
        raise SharedDirectoryError(_reason(path, error)) from error
    try:
        _check(path, descriptor, os.geteuid() if uid is None else uid)
    except SharedDirectoryError:
        os.close(descriptor)
        raise
    return SharedDirectory(path, descriptor)


def _reason(path: str, error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return f"shared directory {path} does not exist; start the app, or name the right one with shared_dir"
    if os.path.islink(path):
        return f"shared directory {path} is a symbolic link; name the directory itself, or remove the link"
    if error.errno == errno.ENOTDIR:
        return f"shared directory {path} is not a directory; remove it or choose another shared_dir"
    return f"shared directory {path} cannot be used: {error.strerror}; choose another shared_dir"


def create_directory(path: str, uid: int | None = None) -> SharedDirectory:
    """Open the shared directory, making it (and its parent) with mode 0700 for `uid` when it is missing.

    Raises `SharedDirectoryError` as `open_directory` does, and when it cannot be made.
    """
    uid = os.geteuid() if uid is None else uid
    for part in (os.path.dirname(path), path):
        try:
            os.mkdir(part, 0o700)
        except FileExistsError:
            continue
        except OSError as error:
            raise SharedDirectoryError(_reason(part, error)) from error
        if uid != os.geteuid():
            os.chown(part, uid, -1, follow_symlinks=False)
    return open_directory(path, uid)


def lock_segment(directory: SharedDirectory, number: int) -> bool:
    """Claim a segment for this process; return whether it is ours now."""
    return directory.try_lock(layout.SEGMENT_LOCKS + number)


def segment_is_live(directory: SharedDirectory, number: int) -> bool:
    """Tell whether a process counts in this segment now."""
    return directory.is_locked(layout.SEGMENT_LOCKS + number)
