# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm serve`: puts together store, collector and report, and serves them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from wsgiapm import log
from wsgiapm.config import state_directory
from wsgiapm.errors import WsgiapmError
from wsgiapm.serve.application import Tokens, build
from wsgiapm.serve.embedding import EmbeddedServer
from wsgiapm.serve.listening import KnownHosts, Listener
from wsgiapm.serve.tokens import INGEST, VIEW, keep_token, make_directory, read_token
from wsgiapm.serve.upkeep import Upkeep
from wsgiapm.store import open_store, parse_address
from wsgiapm.store.protocol import Store


def serve(
    listen: str,
    store: str,
    retention: str,
    token_file: str | None,
    view_token_file: str | None,
    hosts: Sequence[str] = (),
) -> int:
    """Serve until a signal ends it.

    Args:
        listen: ``HOST:PORT``; port 0 takes any free one.
        store: ``sqlite:///PATH``.
        retention: how long data are kept, as in ``30d``.
        token_file: holds the ingest token; None makes one in the state directory, or takes the one there.
        view_token_file: the same for the view token.
        hosts: further names requests may call the server by.

    Returns:
        0 after a clean stop, 1 after a failure while serving, 2 if it could not start.
    """
    try:
        tokens = _find_tokens(token_file, view_token_file)
        if os.path.dirname(parse_address(store)) == state_directory():
            make_directory(state_directory())
        # Opened here once, so that what is wrong with it is said before anything listens.
        open_store(store, retention).close()
        listener = Listener(listen)
    except WsgiapmError as failure:
        sys.stderr.write(f"wsgiapm: {failure}\n")
        return 2
    if not listener.is_local:
        log.warning("listening at %s: tokens and data cross the network unencrypted", listener.base_address)
    return _run(_Service(parse_address(store), retention, tokens, listener, hosts), listener)


class _Service:
    """What lives in the worker process: the store, its upkeep, the application."""

    def __init__(self, path: str, retention: str, tokens: Tokens, listener: Listener, hosts: Sequence[str]) -> None:
        self._address = f"sqlite:///{path}"
        self._retention = retention
        self._tokens = tokens
        self._hosts = KnownHosts(listener, hosts)
        self._announcement = f"listening on {listener.base_address}/?token={quote(tokens.view, safe='')}\n"
        self._store: Store | None = None
        self._upkeep: Upkeep | None = None

    def load(self) -> Any:
        """Open everything and return the WSGI application."""
        self._store = open_store(self._address, self._retention)
        self._upkeep = Upkeep(self._store)
        self._upkeep.start()
        return build(self._store, self._tokens, self._hosts)

    def announce(self) -> None:
        """Say where."""
        sys.stdout.write(self._announcement)
        sys.stdout.flush()

    def close(self) -> None:
        """Close what was opened."""
        if self._upkeep is not None:
            self._upkeep.stop()
        if self._store is not None:
            self._store.close()


def _find_tokens(token_file: str | None, view_token_file: str | None) -> Tokens:
    directory = state_directory()
    if token_file is None or view_token_file is None:
        make_directory(directory)
    return Tokens(
        ingest=read_token(token_file) if token_file is not None else keep_token(directory, INGEST),
        view=read_token(view_token_file) if view_token_file is not None else keep_token(directory, VIEW),
    )


def _run(service: _Service, listener: Listener) -> int:
    parent = os.getpid()
    try:
        EmbeddedServer(listener.detach(), service.load, service.announce, service.close).run()
    except SystemExit as end:
        # Also how a worker process ends: only the parent goes on from here.
        if os.getpid() != parent:
            raise
        return 0 if not end.code else 1
    return 0
