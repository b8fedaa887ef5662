# SPDX-License-Identifier: Apache-2.0
"""The owner of time: whoever needs a clock takes it from here, so that a test can hand in another."""

from __future__ import annotations

import time as _time

monotonic_ns = _time.monotonic_ns
time_ns = _time.time_ns
time = _time.time

__all__ = ["monotonic_ns", "time", "time_ns"]
