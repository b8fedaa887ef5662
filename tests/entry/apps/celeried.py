# SPDX-License-Identifier: Apache-2.0
"""Tasks for Celery, whose broker is a Redis."""

from __future__ import annotations

import os

from celery import Celery

app = Celery("celeried", broker=os.environ.get("BROKER", ""))


@app.task
def add(first: int, second: int) -> int:
    """Go well."""
    return first + second


@app.task
def fail() -> None:
    """Fail."""
    raise ZeroDivisionError


@app.task(bind=True, max_retries=1)
def try_again(task: object) -> None:
    """Fail, and be tried once more."""
    raise task.retry(countdown=0)  # type: ignore[attr-defined]
