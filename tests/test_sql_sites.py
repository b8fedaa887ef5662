# SPDX-License-Identifier: Apache-2.0
"""Slow SQL and N+1 are told of with the line of the app's own code, once an hour, and only then is a stack looked at."""

from __future__ import annotations

import json
import sys
import threading
from contextvars import copy_context
from types import SimpleNamespace

import pytest

from tests.aggregate.counting import finish, recorder_at, started
from wsgiapm import sql_sites, tracing
from wsgiapm.aggregate import schema
from wsgiapm.aggregate.journal import read_events
from wsgiapm.call_site import find_site
from wsgiapm.exporters.events import encode_events
from wsgiapm.span import CACHE, DB, Operation
from wsgiapm.transaction import CURRENT

MILLISECOND = 10**6
GOODS = Operation("SELECT goods", DB, schema.DB_DURATION, (("wsgiapm.operation", "00000000000000aa"),))
ORDERS = Operation("SELECT orders", DB, schema.DB_DURATION, (("wsgiapm.operation", "00000000000000bb"),))
GET = Operation("GET", CACHE, schema.DB_DURATION)


class Clock:
    """Stands still while nobody moves it."""

    now = 1_000_000_000

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """The clock of spans."""
    clock = Clock()
    monkeypatch.setattr(tracing, "monotonic_ns", clock)
    return clock


@pytest.fixture
def recorder(tmp_path):
    """A recorder to which half a second is slow."""
    recorder = recorder_at(str(tmp_path / "shop"))
    recorder.operations.slow = 500 * MILLISECOND
    yield recorder
    recorder.instance.close()


def told(recorder):
    """The attributes of the events in the journal, after a harvest."""
    instance = recorder.instance
    instance.journal.flush()
    try:
        events = read_events(instance.directory, instance.segment.number, instance.header.epoch).events
    except FileNotFoundError:
        return []
    return [json.loads(event.payload)["attributes"] for event in events]


def query(transaction, clock, operation=GOODS, duration=MILLISECOND):
    """The app's call of its database."""
    span = tracing.begin(transaction, operation)
    clock.now += duration
    tracing.end(span)


def serve(recorder, clock, view, route="/goods"):
    """One request."""
    transaction = started(recorder)
    CURRENT.set(transaction)
    view(transaction)
    CURRENT.set(None)
    finish(recorder, transaction, clock.now)
    recorder.operations.finish(transaction.breakdown, route)


def test_the_fifth_call_tells_of_its_line_and_what_all_of_them_cost(recorder, clock):
    """Known when the transaction has ended; once an hour, however many requests do it."""

    def view(transaction):
        for _ in range(9):
            query(transaction, clock)

    for _ in range(3):
        serve(recorder, clock, view)
    (event,) = told(recorder)

    assert (event["reason"], event["wsgiapm.operation"], event["http.route"]) == (
        "n_plus_one",
        "00000000000000aa",
        "/goods",
    )
    assert event["code.file.path"] == __file__
    assert event["code.line.number"] == query.__code__.co_firstlineno + 4
    assert event["code.function.name"] == "query"
    assert (event["calls"], float(event["seconds"]), event["worker"]) == (9, 0.009, 0)


def test_a_slow_statement_tells_of_its_line(recorder, clock):
    """With the time of that call; a fast one and one of a cache tell nothing."""

    def view(transaction):
        query(transaction, clock, ORDERS)
        query(transaction, clock, GET, 900 * MILLISECOND)
        query(transaction, clock, GOODS, 700 * MILLISECOND)
        query(transaction, clock, GOODS, 800 * MILLISECOND)

    serve(recorder, clock, view)
    (event,) = told(recorder)

    assert (event["reason"], event["calls"], float(event["seconds"])) == ("slow", 1, 0.7)


def test_after_an_hour_it_is_told_again(recorder, clock, monkeypatch):
    """Not a minute before."""
    monkeypatch.setattr(sql_sites.clock, "monotonic_ns", clock)
    for minutes in (0, 59, 2, 30):
        clock.now += minutes * 60 * 10**9
        serve(recorder, clock, lambda transaction: query(transaction, clock, GOODS, 600 * MILLISECOND))

    assert len(told(recorder)) == 2


def test_no_stack_is_looked_at_in_ordinary_requests(recorder, clock, monkeypatch):
    """Four calls of each of many statements, all of them fast."""
    monkeypatch.setattr(sql_sites, "find_site", pytest.fail)

    def view(transaction):
        for number in range(20):
            operation = Operation("SELECT", DB, schema.DB_DURATION, (("wsgiapm.operation", f"{number:016x}"),))
            for _ in range(4):
                query(transaction, clock, operation)

    serve(recorder, clock, view)

    assert told(recorder) == []


def test_a_request_writes_no_file(recorder, clock):
    """The event waits for the harvest."""
    written = []
    recorder.instance.journal._write = written.append
    serve(recorder, clock, lambda transaction: query(transaction, clock, GOODS, 600 * MILLISECOND))
    assert written == []
    recorder.instance.journal.flush()
    assert len(written) == 1


def test_it_goes_out_as_a_log_record(recorder, clock):
    """With all its attributes."""
    serve(recorder, clock, lambda transaction: query(transaction, clock, GOODS, 600 * MILLISECOND))
    instance = recorder.instance
    instance.journal.flush()
    events = read_events(instance.directory, instance.segment.number, instance.header.epoch).events
    sent = encode_events((), events)

    for expected in (b"wsgiapm.sql.site", b"00000000000000aa", b"test_sql_sites.py", b"0.600000000", b"slow"):
        assert expected in sent


def test_threads_and_tasks_of_one_request_are_counted_together(recorder, clock):
    """Five calls are one too many wherever they are made; the line is that of the thread that made the fifth."""

    def view(transaction):
        for _ in range(5):
            thread = threading.Thread(target=copy_context().run, args=(query, transaction, clock))
            thread.start()
            thread.join()

    serve(recorder, clock, view)

    assert [event["calls"] for event in told(recorder)] == [5]


def test_greenlets_of_one_request_are_counted_together(recorder, clock):
    """They share the thread, and each waits while the others run: no component has more time than went by."""
    gevent = pytest.importorskip("gevent")

    def wait_for(transaction):
        span = tracing.begin(transaction, GOODS)
        gevent.sleep(0)
        clock.now += 100 * MILLISECOND
        tracing.end(span)

    def view(transaction):
        gevent.joinall([gevent.spawn(copy_context().run, wait_for, transaction) for _ in range(6)])

    transactions = []
    serve(recorder, clock, lambda transaction: (transactions.append(transaction), view(transaction)))
    ((calls),) = transactions[0].breakdown.calls.values()

    assert calls.count == 6
    assert [event["reason"] for event in told(recorder)] == ["slow", "n_plus_one"]
    assert transactions[0].breakdown.components(1_000_000_000, clock.now)[DB] == 600 * MILLISECOND


def test_the_line_is_that_of_the_template(tmp_path):
    """Jinja2 compiles templates to Python: the line meant is the one in the template."""
    jinja2 = pytest.importorskip("jinja2")
    (tmp_path / "list.html").write_text("<ul>\n\n{{ find() }}\n</ul>")
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(tmp_path), autoescape=True)
    library = compile("def find():\n    return sites.append(look()) or ''\n", "<library>", "exec")
    sites = []
    names = {"sites": sites, "look": find_site}
    exec(library, names)
    environment.get_template("list.html").render(find=names["find"])

    assert [(site.file, site.line) for site in sites] == [(str(tmp_path / "list.html"), 3)]


def test_the_line_is_that_of_the_django_template(tmp_path):
    """A query set that is evaluated in a template has its line there."""
    django_template = pytest.importorskip("django.template")
    settings = pytest.importorskip("django.conf").settings
    if not settings.configured:
        settings.configure()
    (tmp_path / "list.html").write_text("<ul>\n{{ goods.all }}\n</ul>")
    sites = []
    library = compile("def find():\n    return sites.append(look()) or ''\n", "<library>", "exec")
    names = {"sites": sites, "look": find_site}
    exec(library, names)
    engine = django_template.Engine(dirs=[str(tmp_path)])
    goods = SimpleNamespace(all=names["find"])
    engine.get_template("list.html").render(django_template.Context({"goods": goods}))

    assert [(site.file, site.line) for site in sites] == [(str(tmp_path / "list.html"), 2)]


def test_without_code_of_the_app_there_is_no_site():
    """A stack of libraries alone has no line to show."""
    found = []
    library = compile("def find():\n    found.append(look())\n", f"{sys.prefix}/site-packages/x.py", "exec")
    names = {"found": found, "look": find_site}
    exec(library, names)
    thread = threading.Thread(target=names["find"])
    thread.start()
    thread.join()

    assert found == [None]
