# SPDX-License-Identifier: Apache-2.0
"""The SQLite store: transactions, threads, limits, what it remembers."""

from __future__ import annotations

import sqlite3
import threading

import pytest

from wsgiapm.errors import StoreError
from wsgiapm.store import writer as writer_module
from wsgiapm.store.model import Instance, Selection, Series, Stream, Value
from wsgiapm.store.series import total_of

SERIES = Series("m", "sum", "1", "/x/", '{"http.route":"/x/"}')


def add(store, t, n, total=0.0, late=0):
    """Add one value at ``t`` to the 10 s tier of the app shop."""
    with store.writing() as writer:
        app = writer.app("shop", "")
        series = writer.series(app, SERIES)
        writer.add_values(10, [(app, series, t, 1, Value(n, total, late))])


def read(store, start, end, step=0, scope="/x/"):
    """Read the values of the metric."""
    with store.reading() as reader:
        return reader.amounts(Selection(1, "m", scope, 10, start, end), step=step, by_series=False)


def test_values_of_one_slot_add_up(store):
    """Rows may be added by anybody in any order; reading sums them."""
    add(store, 100, 3, 1.5, 1)
    add(store, 100, 4, 2.5, 2)

    (amount,) = read(store, 0, 200)

    assert amount[2:5] == (7, 4.0, 3.0)


def test_a_window_includes_its_start_and_not_its_end(store):
    """Windows that follow each other count nothing twice."""
    add(store, 100, 1)

    assert [amount.n for amount in read(store, 100, 110)] == [1]
    assert read(store, 90, 100) == []
    assert read(store, 110, 120) == []


def test_slots_are_aligned_to_their_step(store):
    """Ten and sixty seconds share boundaries, so steps nest."""
    for t in (100, 110, 120, 130):
        add(store, t, 1)

    assert [(amount.slot, amount.n) for amount in read(store, 0, 300, step=60)] == [(60, 2), (120, 2)]


def test_a_scope_selects_its_series(store):
    """A transaction's page reads only its own, the app's what is the whole app's, its table each as it was sent."""
    series = {
        "/x/": SERIES,
        "/y/": SERIES._replace(scope="/y/", attributes='{"http.route":"/y/"}'),
        "total": total_of(SERIES),
        "none": SERIES._replace(scope="", attributes="{}"),
    }
    with store.writing() as writer:
        app = writer.app("shop", "")
        keys = {name: writer.series(app, one) for name, one in series.items()}
        writer.add_values(
            10, [(app, keys[name], 100, 1, Value(n, 0, 0)) for name, n in zip(keys, (1, 2, 4, 8), strict=True)]
        )

    def selected(scope, *, each=False):
        with store.reading() as reader:
            selection = Selection(app, "m", scope, 10, 0, 200, each)
            found = {amount.series for amount in reader.amounts(selection, step=0, by_series=True)}
        return [name for name, key in keys.items() if key in found]

    assert len(set(keys.values())) == 4
    assert selected("/x/") == ["/x/"]
    assert selected("/z/") == []
    assert selected(None) == ["total", "none"]
    assert selected(None, each=True) == ["/x/", "/y/", "none"]


def test_reads_use_the_primary_key(store):
    """A window of one metric is found by key, series by series; nothing is scanned."""
    add(store, 100, 1)
    with store.reading() as reader:
        seen = []
        reader._execute, execute = (lambda sql, values: seen.append((sql, values)) or []), reader._execute
        reader.amounts(Selection(1, "m", None, 10, 0, 200), step=10, by_series=True)
        plan = " ".join(row[3] for row in execute("EXPLAIN QUERY PLAN " + seen[0][0], seen[0][1]))

    assert "SEARCH metric_10 USING PRIMARY KEY (app=? AND series=? AND t>? AND t<?)" in plan
    assert "SCAN metric_10" not in plan


def test_a_failed_transaction_keeps_nothing(store):
    """What is written in it is gone, whatever the reason."""

    def fail():
        with store.writing() as writer:
            writer.app("shop", "")
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    with store.reading() as reader:
        assert reader.apps() == []
    add(store, 100, 1)
    assert [amount.n for amount in read(store, 0, 200)] == [1]


def test_a_full_disk_is_an_error_and_not_the_end(store):
    """The transaction is rolled back; when there is room again, writing works."""
    add(store, 100, 1)
    (pages,) = store._writer.execute("PRAGMA page_count").fetchone()
    store._writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="full"), store.writing() as writer:
        writer.add_values(10, [(1, 1, t, 1, Value(1, 0, 0)) for t in range(100_000)])
    store._writer.execute("PRAGMA max_page_count = 1000000")

    add(store, 110, 5)

    assert [amount.n for amount in read(store, 0, 10**6)] == [6]


def test_a_view_does_not_change_while_it_is_read(store):
    """Figures that are read one after the other belong together."""
    add(store, 100, 1)
    selection = Selection(1, "m", "/x/", 10, 0, 200)
    with store.reading() as reader:
        before = reader.amounts(selection, step=0, by_series=False)
        thread = threading.Thread(target=add, args=(store, 100, 10))
        thread.start()
        thread.join()
        after = reader.amounts(selection, step=0, by_series=False)

    assert before == after
    assert [amount.n for amount in read(store, 0, 200)] == [11]


def test_threads_write_one_after_the_other(store):
    """No update is lost and nobody sees a locked database."""
    threads = [threading.Thread(target=lambda: [add(store, 100, 1) for _ in range(25)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [amount.n for amount in read(store, 0, 200)] == [100]


def test_a_stream_is_remembered(store):
    """Its position comes back as it was, counts beyond 32 bits and fractions included."""
    position = Stream(1, 2, 3 << 40, 4.25, {-32768: 1, -5: 2, 7: 3 << 40})
    with store.writing() as writer:
        app = writer.app("shop", "")
        series = writer.series(app, SERIES)
        writer.advance(app, series, 1, position)

    with store.writing() as writer:
        assert writer.stream(app, series, 1) == position
        assert writer.stream(app, series, 2) is None


def test_an_instance_is_remembered(store):
    """The times of its reports, and when it was heard of."""
    with store.writing() as writer:
        app = writer.app("shop", "")
        found = writer.instance(app, "uid", "{}", 100)
        assert found[1:] == (0, 0)
        writer.reported(app, Instance(found.id, 20, 10))

    with store.writing() as writer:
        assert writer.instance(app, "uid", "{}", 150) == (found.id, 20, 10)
    with store.reading() as reader:
        assert [sighting[1:] for sighting in reader.sightings()] == [(100, 150)]
        assert [found[1:] for found in reader.apps()] == [("shop", "", 100, 150)]


def test_instances_can_be_told_apart(store):
    """By the name that each gives itself; what two of them report in one slot is two amounts."""
    with store.writing() as writer:
        app = writer.app("shop", "")
        one, two = (writer.instance(app, uid, "{}", 100).id for uid in ("one", "two"))
        series = writer.series(app, SERIES)
        writer.add_values(10, [(app, series, 100, instance, Value(n, 0, 0)) for instance, n in ((one, 1), (two, 2))])

    with store.reading() as reader:
        selection = Selection(app, "m", "/x/", 10, 0, 200)
        apart = reader.amounts(selection, step=10, by_series=True, by_instance=True)
        (together,) = reader.amounts(selection, step=10, by_series=True)
        reporters = reader.reporters(app)

    assert {(reporters[amount.instance].uid, amount.n) for amount in apart} == {("one", 1), ("two", 2)}
    assert (together.n, together.instance) == (3, 0)
    assert reporters[one].last_seen == 100


def test_there_is_a_limit_to_everything_a_sender_can_make(store, monkeypatch):
    """Apps, instances and series beyond the limit are refused; known ones still work."""
    monkeypatch.setattr(writer_module, "MAX_APPS", 1)
    monkeypatch.setattr(writer_module, "MAX_INSTANCES", 1)
    monkeypatch.setattr(writer_module, "MAX_SERIES", 1)
    with store.writing() as writer:
        app = writer.app("shop", "")
        assert writer.instance(app, "one", "{}", 1) is not None
        assert writer.series(app, SERIES) is not None

    with store.writing() as writer:
        assert writer.app("other", "") is None
        assert writer.instance(app, "two", "{}", 1) is None
        assert writer.series(app, SERIES._replace(scope="/y/")) is None
        assert writer.app("shop", "") == app
        assert writer.instance(app, "one", "{}", 1) is not None
        assert writer.series(app, SERIES) is not None


def test_a_closed_store_says_so(store):
    """A request that comes while the server stops is an error of the store, not a crash."""
    store.close()

    with pytest.raises(StoreError), store.writing():
        pass
    with pytest.raises(StoreError), store.reading() as reader:
        reader.apps()


def test_gauges_keep_their_extremes_and_the_last_value(store):
    """n, sum, minimum, maximum and last of a slot, whatever the order of transactions."""
    for value in (5.0, 1.0, 3.0):
        with store.writing() as writer:
            writer.add_values(10, [(1, 1, 100, 1, Value(1, value, 0, value, value, value))])

    row = store._writer.execute("SELECT n, total, low, high, last FROM metric_10").fetchone()

    assert row == (3, 9.0, 1.0, 5.0, 3.0)


def test_sqlite_is_built_for_threads():
    """The store shares a connection between threads, one at a time."""
    assert sqlite3.threadsafety >= 1
