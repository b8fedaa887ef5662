# SPDX-License-Identifier: Apache-2.0
"""Jobs for RQ and tasks for Celery, and a worker's class as Sentry's users have it."""

from __future__ import annotations

import os
import signal

from rq import Retry
from rq import Worker as _Worker


def add(first: int, second: int) -> int:
    """Go well."""
    return first + second


def fail() -> None:
    """Fail."""
    raise ZeroDivisionError


def ask_again() -> Retry:
    """Go well, and ask to be run once more."""
    return Retry(max=1)


def die() -> None:
    """Be killed."""
    os.kill(os.getpid(), signal.SIGKILL)


class Worker(_Worker):
    """One that does something around each job."""

    def perform_job(self, *args: object, **kwargs: object) -> bool:
        """See RQ."""
        return super().perform_job(*args, **kwargs)
