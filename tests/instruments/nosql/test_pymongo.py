# SPDX-License-Identifier: Apache-2.0
"""PyMongo, the real driver, against a server that speaks MongoDB's protocol and answers what the test wants."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading
import time
from collections import Counter

import mockupdb
import pymongo
import pytest

from wsgiapm import instruments
from wsgiapm.span import CACHE, DB

DUPLICATE = {"index": 0, "code": 11000, "errmsg": "E11000 duplicate key"}
_BATCHES = {
    "find": {"id": 7, "firstBatch": [{"_id": 1}, {"_id": 2}]},
    "getMore": {"nextBatch": [{"_id": 3}]},
    "aggregate": {"firstBatch": [{"_id": 1, "n": 3}]},
    "listCollections": {"firstBatch": []},
    "listIndexes": {"firstBatch": []},
}
_GREENLETS = """
from gevent import monkey; monkey.patch_all()
import gevent, sys
from tests.instruments.recording import Recording
from wsgiapm import instruments
instruments.install((), lambda: sys.exit("failed"))
import pymongo
client = pymongo.MongoClient("127.0.0.1", int(sys.argv[1]))
def request(number):
    recording = Recording()
    with recording.transaction():
        for turn in range(number + 1):
            client.walks.hills.insert_one({})
            list(client.walks.hills.find())
    return recording.counts()
jobs = [gevent.spawn(request, number) for number in range(6)]
gevent.joinall(jobs, raise_error=True)
print([list(job.value.values()) for job in jobs] == [3 * [n + 1] for n in range(6)])
client.close()
"""


class Server:
    """Answers as MongoDB does; a query has three documents, which are sent in two batches."""

    def __init__(self):
        self.commands = []
        self.errors = {}
        self.delay = 0.0
        self.mock = mockupdb.MockupDB(auto_ismaster={"maxWireVersion": 21, "minWireVersion": 0})
        self.mock.autoresponds(self.answer)

    def answer(self, request):
        """Answer one command."""
        name = request.command_name if isinstance(request, mockupdb.OpMsg) else "hello"
        if name.lower() in ("hello", "ismaster"):
            return False
        self.commands.append(name)
        if self.delay:
            time.sleep(self.delay)
        if name in self.errors:
            return request.replies(self.errors[name])
        batch = _BATCHES.get(name)
        if batch is not None:
            return request.replies(ok=1, cursor={"id": 0, "ns": "walks.hills", **batch})
        return request.replies(ok=1, n=1, nModified=1, values=[], value=None, databases=[])


@pytest.fixture(scope="module")
def the_server():
    """A server; to stop one takes a second."""
    server = Server()
    server.mock.run()
    yield server
    server.mock.stop()


@pytest.fixture
def server(the_server):
    """It, as it was at first."""
    the_server.commands, the_server.errors, the_server.delay = [], {}, 0.0
    return the_server


@pytest.fixture
def client(server, recording):
    """The driver's client."""
    with pymongo.MongoClient("127.0.0.1", server.mock.port) as client:
        yield client


@pytest.fixture
def hills(client):
    """A collection."""
    return client.walks.hills


@pytest.fixture
def place(server):
    """What every call of the collection is counted under."""
    return {
        "db.system.name": "mongodb",
        "db.namespace": "walks",
        "db.collection.name": "hills",
        "server.address": "127.0.0.1",
        "server.port": server.mock.port,
    }


def test_documents_and_filters_are_not_recorded(recording, hills, place, server):
    """Nothing but the command, the database, the collection and the server; as often as there were commands."""
    hills.insert_one({"name": "a-secret"})
    hills.insert_many([{"name": "a"}, {"name": "b"}])
    hills.update_one({"name": "a-secret"}, {"$set": {"height": 12}})
    hills.replace_one({"name": "a"}, {"name": "c"})
    hills.delete_many({"name": "a-secret"})
    hills.find_one_and_update({"name": "a"}, {"$set": {"height": 1}})
    assert hills.count_documents({"name": "a"}) == 3
    hills.distinct("name")
    hills.estimated_document_count()
    hills.create_index("name")
    hills.drop()

    calls = recording.take()
    assert [call.name for call in calls] == server.commands
    assert server.commands == [
        "insert", "insert", "update", "update", "delete", "findAndModify", "aggregate", "distinct", "count", "createIndexes",
        "drop",
    ]  # fmt: skip
    for call in calls:
        assert call.attributes == {**place, "db.operation.name": call.name}
        assert call.error is None
        assert call.operation.component == DB


def test_each_batch_of_a_cursor_is_a_call(recording, hills, place, server):
    """The first is the query; what is at hand already is none."""
    cursor = hills.find({"name": "a-secret"})
    assert recording.names() == []
    assert [document["_id"] for document in cursor] == [1, 2, 3]
    assert list(cursor) == []

    calls = recording.take()
    assert [call.name for call in calls] == server.commands == ["find", "getMore"]
    for call in calls:
        assert call.attributes == {**place, "db.operation.name": call.name}


def test_a_write_error_is_an_error(recording, hills, server):
    """Though the command has succeeded, as the driver's own monitoring says."""
    server.errors["insert"] = {"ok": 1, "n": 0, "writeErrors": [DUPLICATE]}
    with pytest.raises(pymongo.errors.DuplicateKeyError):
        hills.insert_one({"_id": 1})
    with pytest.raises(pymongo.errors.BulkWriteError):
        hills.insert_many([{"_id": 1}, {"_id": 2}])
    with pytest.raises(pymongo.errors.BulkWriteError):
        hills.bulk_write([pymongo.InsertOne({"_id": 1})])

    assert [(call.name, call.error) for call in recording.take()] == [
        ("insert", "pymongo.errors.DuplicateKeyError"),
        ("insert", "pymongo.errors.BulkWriteError"),
        ("bulkWrite", "pymongo.errors.BulkWriteError"),
    ]


def test_a_command_that_fails_is_an_error(recording, hills, server, place):
    """Of a query, when it is made."""
    server.errors["find"] = {"ok": 0, "code": 2, "errmsg": "BadValue"}
    with pytest.raises(pymongo.errors.OperationFailure):
        list(hills.find({"$nonsense": 1}))

    [call] = recording.take()
    assert (call.name, call.error) == ("find", "pymongo.errors.OperationFailure")
    assert call.attributes == {**place, "db.operation.name": "find"}


def test_many_writes_at_once_are_one_call(recording, hills, server, place):
    """Whatever commands they need."""
    hills.bulk_write([pymongo.InsertOne({"_id": 1}), pymongo.DeleteOne({"_id": 1}), pymongo.InsertOne({"_id": 2})])

    [call] = recording.take()
    assert len(server.commands) == 3
    assert call.attributes == {**place, "db.operation.name": "bulkWrite"}


def test_commands_of_a_database_are_recorded_by_name(recording, client, server):
    """As they are given; the arguments are not in them."""
    client.walks.command("ping")
    client.walks.command({"collStats": "a-secret", "scale": 1})
    client.walks.list_collection_names()
    client.list_database_names()
    client.drop_database("walks")

    calls = recording.take()
    assert [call.name for call in calls] == server.commands
    assert [call.attributes.get("db.namespace") for call in calls] == ["walks", "walks", "walks", None, None]
    assert {call.attributes["server.port"] for call in calls} == {server.mock.port}


def test_a_server_that_is_not_there_is_an_error(recording):
    """It is not known which it would have been."""
    with (
        pymongo.MongoClient("127.0.0.1", 1, serverSelectionTimeoutMS=100) as client,
        pytest.raises(pymongo.errors.ServerSelectionTimeoutError),
    ):
        client.walks.hills.find_one()

    [call] = recording.take()
    assert (call.name, call.error) == ("find", "pymongo.errors.ServerSelectionTimeoutError")
    assert "server.address" not in call.attributes


def test_the_time_of_a_call_is_its_time(recording, hills, server):
    """Within five percent of what is measured around it; it is the database's, not the cache's."""
    hills.find_one()
    recording.take()
    server.delay = 0.1
    with recording.transaction() as transaction:
        before = time.perf_counter_ns()
        hills.insert_one({})
        took = time.perf_counter_ns() - before

    [call] = recording.take()
    assert call.nanoseconds == pytest.approx(took, rel=0.05)
    assert call.nanoseconds >= 100e6
    spent = transaction.breakdown.components(transaction.start, transaction.start + 10 * took)
    assert (spent[DB], spent[CACHE]) == (call.nanoseconds, 0)


def test_each_thread_records_its_calls(recording, hills):
    """For the transaction of its context."""

    def work():
        for _ in range(10):
            hills.update_one({}, {"$set": {"a": 1}})

    threads = [threading.Thread(target=contextvars.copy_context().run, args=(work,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert recording.counts() == Counter({"update": 40})


def test_each_greenlet_records_its_calls(server):
    """For the request it runs, whichever connection of the pool it has."""
    done = subprocess.run(
        [sys.executable, "-c", _GREENLETS, str(server.mock.port)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    assert done.stdout.strip() == "True", done.stderr


def test_without_a_transaction_nothing_is_recorded(recording, hills):
    """A script uses the same library."""
    contextvars.Context().run(hills.insert_one, {})

    assert recording.take() == []


def test_a_client_goes_on_when_the_instrument_goes(recording, hills):
    """And when it comes back."""
    instruments.uninstall()
    hills.insert_one({})
    assert recording.take() == []
    instruments.install((), lambda: None)
    hills.insert_one({})
    assert recording.names() == ["insert"]


def test_the_client_of_asyncio_is_recorded(recording, server, place):
    """As the other is."""

    async def work():
        async with pymongo.AsyncMongoClient("127.0.0.1", server.mock.port) as client:
            await client.walks.hills.insert_one({})
            assert [document["_id"] async for document in client.walks.hills.find()] == [1, 2, 3]

    asyncio.run(work())

    calls = recording.take()
    assert [call.name for call in calls] == ["insert", "find", "getMore"]
    for call in calls:
        assert call.attributes == {**place, "db.operation.name": call.name}
