# SPDX-License-Identifier: Apache-2.0
"""Transactions: plain data, one per context."""

from __future__ import annotations

import threading
from contextvars import copy_context
from types import SimpleNamespace

from wsgiapm.transaction import CURRENT, Transaction, current_transaction


def test_a_new_transaction_knows_nothing():
    """Everything has a value from the start, so that nobody has to ask first."""
    transaction = Transaction()

    assert transaction.name is None
    assert transaction.status is None
    assert transaction.error is None
    assert transaction.attributes is None
    assert (transaction.size, transaction.first_byte, transaction.queue, transaction.ignored) == (0, 0, 0, False)


def test_a_name_is_told_at_once():
    """Whoever keeps the rows of requests in flight learns a new name while the request runs."""
    told = []
    transaction = Transaction()
    transaction.name = "/first"
    transaction.recorder = SimpleNamespace(rename=lambda t: told.append(t.given_name))
    transaction.name = "/second"

    assert transaction.name == "/second"
    assert told == ["/second"]


def test_a_name_that_is_no_text_becomes_one():
    """A view's number or a lazy string must not keep the request from being counted."""
    transaction = Transaction()
    transaction.name = 404

    assert transaction.name == "404"


def test_a_name_is_cut_where_no_reader_wants_more():
    """Names are kept in shared memory for good; an app cannot fill it with one."""
    transaction = Transaction()
    transaction.name = "/" + "x" * 100_000

    assert transaction.name == "/" + "x" * 198 + "…"


def test_ignoring_is_kept():
    """The app may say so at any time."""
    transaction = Transaction()
    transaction.ignore()

    assert transaction.ignored


def test_attributes_are_the_apps_own():
    """They are made at the first one."""
    transaction = Transaction()
    transaction.set("user", 7)
    transaction.set("user", 8)

    assert transaction.attributes == {"user": 8}


def test_a_trace_id_is_made_when_it_is_asked_for():
    """32 hexadecimal digits, always the same, and never those of another."""
    first, second = Transaction(), Transaction()

    assert first.trace_id == first.trace_id != second.trace_id
    assert len(first.trace_id) == 32
    assert int(first.trace_id, 16) > 0


def test_each_context_has_its_own():
    """Threads and copied contexts do not see each other's."""
    transaction = Transaction()
    token = CURRENT.set(transaction)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(current_transaction()))
    thread.start()
    thread.join()
    copied = copy_context()
    copied.run(CURRENT.set, None)

    assert seen in ([None], [transaction])  # from 3.14 on threads may inherit the context
    assert current_transaction() is transaction
    CURRENT.reset(token)
    assert current_transaction() is None


def test_nothing_else_can_be_put_on_it():
    """Slots: a misspelt attribute is an error and not a leak."""
    assert not hasattr(Transaction(), "__dict__")
