# SPDX-License-Identifier: Apache-2.0
"""What can happen to the files of a shared directory behind our back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from random import Random

from wsgiapm.aggregate import layout

Damage = Callable[[str, Random], None]
NOBODY = 65534


def flip(path: str, chance: Random, first: int = 0, last: int | None = None) -> None:
    """Flip some bits between two offsets."""
    size = os.stat(path).st_size
    end = min(size, last or size)
    if first >= end:
        return
    with open(path, "r+b") as file:
        for _ in range(chance.randint(1, 8)):
            place = chance.randrange(first, end)
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ 1 << chance.randrange(8)]))


def flip_header(path: str, chance: Random) -> None:
    """Bits of the first page, where most words mean something."""
    flip(path, chance, 0, chance.choice([64, 384, layout.PAGE]))


def flip_rows(path: str, chance: Random) -> None:
    """Bits of the rows of requests in flight; of other files, behind their header."""
    flip(path, chance, layout.PAGE, layout.PAGE + chance.choice([64, layout.ROWS_BYTES]))


def flip_cells(path: str, chance: Random) -> None:
    """Bits of the cells."""
    flip(path, chance, layout.CELLS_OFFSET)


def scribble(path: str, chance: Random) -> None:
    """Some words anywhere become random ones."""
    size = os.stat(path).st_size
    with open(path, "r+b") as file:
        for _ in range(chance.randint(1, 30)):
            file.seek(chance.randrange(max(size // 8, 1)) * 8)
            file.write(chance.randbytes(8))


def overwrite(path: str, chance: Random) -> None:
    """As many bytes as it has, all random."""
    size = os.stat(path).st_size
    with open(path, "r+b") as file:
        file.write(chance.randbytes(size))


def zero(path: str, chance: Random) -> None:
    """As many bytes as it has, all zero."""
    size = os.stat(path).st_size
    with open(path, "r+b") as file:
        file.write(bytes(size))


def other_version(path: str, chance: Random) -> None:
    """The number where index, segment and journal have their format version."""
    with open(path, "r+b") as file:
        file.seek(8)
        file.write(b"\2")


def grow(path: str, chance: Random) -> None:
    """Longer by an odd number of random bytes, or by a hole."""
    with open(path, "ab") as file:
        if chance.random() < 0.5:
            file.write(chance.randbytes(chance.randint(1, 70_000)))
        else:
            file.truncate(file.tell() + chance.randint(1, 2**20))


def truncate(path: str, chance: Random) -> None:
    """Shorter, at any byte."""
    os.truncate(path, chance.randrange(max(os.stat(path).st_size, 1)))


def empty(path: str, chance: Random) -> None:
    """No bytes any more."""
    os.truncate(path, 0)


def copy_over(path: str, chance: Random) -> None:
    """Exchanged for a copy: another inode, as some editors and backups make it."""
    shutil.copyfile(path, path + ".copy")
    os.rename(path + ".copy", path)


def shorter_copy(path: str, chance: Random) -> None:
    """Exchanged for the first part of itself, as a copy is that was broken off."""
    copy_over(path, chance)
    truncate(path, chance)


def partner(path: str, chance: Random) -> str:
    """The name of the file with which this one is swapped."""
    directory, name = os.path.split(path)
    return chance.choice(sorted(set(os.listdir(directory)) - {name}))


def swap(path: str, chance: Random) -> None:
    """Its name and that of another file of the directory are exchanged."""
    other = os.path.join(os.path.dirname(path), partner(path, chance))
    os.rename(path, path + ".swap")
    os.rename(other, path)
    os.rename(path + ".swap", other)


def remove(path: str, chance: Random) -> None:
    """It is gone."""
    os.unlink(path)


def directory(path: str, chance: Random) -> None:
    """A directory is in its place."""
    os.unlink(path)
    os.mkdir(path)


def fifo(path: str, chance: Random) -> None:
    """A pipe is in its place, which blocks whoever opens it carelessly."""
    os.unlink(path)
    os.mkfifo(path)


def link(path: str, chance: Random) -> None:
    """A symbolic link to it is in its place, which must not be followed."""
    os.rename(path, path + ".target")
    os.symlink(path + ".target", path)


def give_away(path: str, chance: Random) -> None:
    """It belongs to another user. Only root can do that."""
    os.chown(path, NOBODY, -1)


# Nobody can be protected from having a file shortened that he has mapped: that is left to files nobody has mapped.
SHORTENING = {"truncate": truncate, "empty": empty}
IN_PLACE: dict[str, Damage] = {
    "flip header": flip_header,
    "flip rows": flip_rows,
    "flip cells": flip_cells,
    "scribble": scribble,
    "overwrite": overwrite,
    "zero": zero,
    "other version": other_version,
    "grow": grow,
}
# By these the file under that name is another one, or none that could be opened.
REPLACING: dict[str, Damage] = {"copy": copy_over, "shorter copy": shorter_copy, "swap": swap, "remove": remove}
UNUSABLE: dict[str, Damage] = {"directory": directory, "fifo": fifo, "link": link, "give away": give_away}
ALL = {**SHORTENING, **IN_PLACE, **REPLACING, **UNUSABLE}
