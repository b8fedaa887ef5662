# SPDX-License-Identifier: Apache-2.0
"""The thread that lets the store forget."""

from __future__ import annotations

import threading

from wsgiapm.errors import StoreError
from wsgiapm.serve import upkeep


class Store:
    """A store whose first expiry fails."""

    def __init__(self):
        self.calls = 0
        self.twice = threading.Event()

    def expire(self, now):
        """Count, and fail the first time."""
        self.calls += 1
        if self.calls == 1:
            msg = "locked"
            raise StoreError(msg)
        self.twice.set()


def test_it_goes_on_after_a_failure_and_ends_when_told(monkeypatch, capfd):
    """The failure is said; the next round works; a stop is prompt."""
    monkeypatch.setattr(upkeep, "_FIRST_S", 0.001)
    monkeypatch.setattr(upkeep, "_EVERY_S", 0.001)
    store = Store()
    thread = upkeep.Upkeep(store)

    thread.start()
    assert store.twice.wait(10)
    thread.stop()
    thread._thread.join(10)

    assert not thread._thread.is_alive()
    assert "old data could not be deleted: locked" in capfd.readouterr().err
