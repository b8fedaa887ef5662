# SPDX-License-Identifier: Apache-2.0
"""The thread that lets the store forget."""

from __future__ import annotations

import threading

from wsgiapm import clock, log
from wsgiapm.errors import StoreError
from wsgiapm.store.protocol import Store

_FIRST_S, _EVERY_S = 30.0, 600.0


class Upkeep:
    """Deletes what is too old, every ten minutes.

    Args:
        store: the store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wsgiapm upkeep", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a deletion under way is ended after its current piece by the store being closed."""
        self._stopped.set()

    def _run(self) -> None:
        pause = _FIRST_S
        while not self._stopped.wait(pause):
            pause = _EVERY_S
            try:
                self._store.expire(int(clock.time()))
            except StoreError as failure:
                if not self._stopped.is_set():
                    log.once("upkeep", "ERROR", "old data could not be deleted: %s", failure)
