# SPDX-License-Identifier: Apache-2.0
"""Processes that count on their own: how one says so where everybody who may look into it can see it.

It cannot write into a directory that is not its own, or full. So it keeps a page of memory with a telling name, which
stands in /proc/PID/maps and goes away with the process, however it ends.
"""

from __future__ import annotations

import mmap
import os
import sys
from typing import Any

_LONGEST = 249  # bytes, the kernel's limit for such a name
# From 3.13 on a mapping need not keep a descriptor of its own.
_NO_DESCRIPTOR: dict[str, Any] = {"trackfd": False} if sys.version_info >= (3, 13) else {}
# Never unmapped, see `segment`. The child of a fork has it too; the id in its name says that it is not the child's.
_announcements: list[mmap.mmap] = []


def announce(reason: str) -> None:
    """Say that this process counts on its own; `reason` is one sentence. Where the system cannot, nothing is said."""
    if sys.platform != "linux":
        return
    text = f"wsgiapm {os.getpid()} alone: {' '.join(reason.split())}"
    try:
        descriptor = os.memfd_create(text.encode(errors="replace")[:_LONGEST].decode(errors="ignore"), os.MFD_CLOEXEC)
    except OSError:
        return
    try:
        os.ftruncate(descriptor, mmap.PAGESIZE)
        _announcements.append(mmap.mmap(descriptor, mmap.PAGESIZE, **_NO_DESCRIPTOR))
    except OSError:
        return
    finally:
        os.close(descriptor)
