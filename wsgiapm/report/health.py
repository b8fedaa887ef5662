# SPDX-License-Identifier: Apache-2.0
"""GET /healthz: for supervisors and load balancers; open to all."""

from __future__ import annotations

import falcon

from wsgiapm.errors import StoreError
from wsgiapm.store.protocol import Store


class Health:
    """Says whether the store can be read.

    Args:
        store: the store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Answer ``ok``, or 503."""
        try:
            with self._store.reading() as reader:
                reader.apps()
        except StoreError as failure:
            # The reason names a path; it is in the log of whoever may know.
            raise falcon.HTTPServiceUnavailable(description="the store cannot be read") from failure
        resp.content_type = "text/plain; charset=utf-8"
        resp.cache_control = ["no-store"]
        resp.text = "ok\n"

    on_head = on_get
