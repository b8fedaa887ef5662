# SPDX-License-Identifier: Apache-2.0
"""What holds for every instrument: it is data, it goes on once and off without a trace, and it harms nobody."""

from __future__ import annotations

import asyncio
import functools
import inspect
import subprocess
import sys
import threading
from importlib import import_module

import pytest

from tests.instruments.recording import Recording
from wsgiapm import instruments, log
from wsgiapm.instruments import _patch
from wsgiapm.span import DB, Operation

MODULES = [import_module(f"wsgiapm.instruments.{name}") for name in instruments.TABLE]
PATCHES = [pytest.param(patch, id=f"{patch.module}.{patch.target}") for module in MODULES for patch in module.PATCHES]


def holder_of(patch):
    """The class a patch is for, and the name of the method."""
    *path, attribute = patch.target.split(".")
    holder = pytest.importorskip(patch.module, exc_type=ImportError)
    for name in path:
        holder = getattr(holder, name)
    return holder, attribute


def lookup(patch):
    """What stands in the class itself; None when it stands in a class above, or nowhere."""
    try:
        holder, attribute = holder_of(patch)
    except AttributeError:  # it is of another version, or of a part that is not there
        return None
    return vars(holder).get(attribute)


def function_of(method):
    """What a class method is made of, and anything else itself."""
    return getattr(method, "__func__", method)


def run(code):
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_an_instrument_is_data(module):
    """What library, which versions, which patches."""
    assert instruments.TABLE[module.__name__.rpartition(".")[2]] == module.MODULE
    assert all(isinstance(patch, _patch.AnyPatch) for patch in module.PATCHES)
    # PyMySQL may stand for MySQLdb.
    tops = {module.MODULE.partition(".")[0]} | ({"MySQLdb"} if module.MODULE == "pymysql" else set())
    assert {patch.module.partition(".")[0] for patch in module.PATCHES} <= tops


def test_no_instrument_loads_its_library():
    """Whoever does not use it does not pay for it, not even for the instrument."""
    code = """
import sys
from wsgiapm import instruments
before = set(sys.modules)
instruments.install((), sys.exit)
print(sorted(set(sys.modules) - before), set(instruments.TABLE.values()) & set(sys.modules))
"""
    assert run(code) == "[] set()"


def test_a_library_that_is_absent_is_no_trouble():
    """Whoever tries to import it is told so by Python."""
    code = """
import importlib, sys
import wrapt
from wsgiapm import instruments
instruments.install((), sys.exit)
sys.path[:] = [path for path in sys.path if "site-packages" not in path]
sys.path_importer_cache.clear()
absent = []
for library in instruments.TABLE.values():
    try:
        importlib.import_module(library)
    except ModuleNotFoundError:
        absent.append(library)
print({"django", "flask", "bottle", "jinja2"} <= set(absent), "sqlite3" in absent)
"""
    assert run(code) == "True False"


def test_instruments_go_on_when_their_libraries_are_imported_later():
    """The agent starts at the first request at the latest; libraries may be loaded in views."""
    code = """
import importlib, sys, warnings
warnings.simplefilter("ignore")
from wsgiapm import instruments
failures = []
instruments.install((), lambda: failures.append(sys.exc_info()[1]))
left = []
for name in instruments.TABLE:
    module = importlib.import_module(f"wsgiapm.instruments.{name}")
    patch = module.PATCHES[0]
    try:
        holder = importlib.import_module(patch.module)
    except ImportError:
        continue
    for part in patch.target.split("."):
        holder = getattr(holder, part)
    if not hasattr(holder, "__wrapped__"):
        left.append(name)
print(left, failures, "wrapt" in sys.modules)
"""
    assert run(code) == "[] [] True"


def test_a_library_that_was_imported_before_is_patched_without_wrapt():
    """The wrapt package imports asyncio, which costs more time and memory than all of ours: only a later import needs it."""
    code = """
import sys, flask.ctx
from wsgiapm import instruments
instruments.install(("django",), sys.exit)
print(hasattr(flask.ctx.RequestContext.match_request, "__wrapped__"), {"wrapt", "asyncio"} & set(sys.modules))
"""
    assert run(code) == "True set()"


def test_a_library_can_be_imported_when_wrapt_cannot():
    """The import is the app's, and what is wrong with wrapt is ours."""
    code = """
import sys
from wsgiapm import instruments
failures = []
instruments.install((), lambda: failures.append(type(sys.exc_info()[1]).__name__))
sys.modules["wrapt"] = None
import flask.ctx, django.core.handlers.base
print(set(failures), hasattr(flask.ctx.RequestContext.match_request, "__wrapped__"))
"""
    assert run(code) == "{'ModuleNotFoundError'} False"


@pytest.mark.parametrize("patch", PATCHES)
def test_installing_twice_is_installing_once(patch):
    """Two middlewares, or an agent and a hook."""
    instruments.uninstall()
    original = lookup(patch)
    instruments.install((), sys.exit)
    first = lookup(patch)
    instruments.install((), sys.exit)
    try:
        assert lookup(patch) is first
        if original is not None and first is not original:
            assert function_of(function_of(first).__wrapped__) is function_of(original)
    finally:
        instruments.uninstall()


@pytest.mark.parametrize("patch", PATCHES)
def test_uninstalling_puts_back_the_very_same(patch):
    """What was inherited is inherited again."""
    instruments.uninstall()
    before = lookup(patch)
    instruments.install((), sys.exit)
    instruments.uninstall()

    assert lookup(patch) is before


def test_a_disabled_instrument_is_not_installed():
    """By the name in the table."""
    instruments.uninstall()
    before = {param.values[0]: lookup(param.values[0]) for param in PATCHES}
    instruments.install(instruments.TABLE, sys.exit)

    assert {patch: lookup(patch) for patch in before} == before
    instruments.uninstall()


class Library:
    """A module of somebody else's."""

    class Parent:
        """Where the method is defined."""

        def answer(self, value):
            """The library's own."""
            return value

    class Child(Parent):
        """Where the method is inherited."""


@pytest.fixture
def library(monkeypatch):
    """A library that has been imported."""
    import types

    module = types.ModuleType("a_library")
    vars(module).update(Parent=Library.Parent, Child=Library.Child)
    monkeypatch.setitem(sys.modules, "a_library", module)
    yield module
    _patch.undo()


def test_a_name_function_that_raises_is_swallowed(library):
    """The library's result is the app's; what went wrong is ours."""
    failures = []

    def name(*_):
        raise ValueError("broken")

    _patch.install((_patch.Patch("a_library", "Parent.answer", name),), lambda: failures.append(sys.exc_info()[1]))
    from wsgiapm.transaction import CURRENT, Transaction

    token = CURRENT.set(Transaction())
    try:
        assert library.Parent().answer(42) == 42
    finally:
        CURRENT.reset(token)
    assert [str(failure) for failure in failures] == ["broken"]


def test_outside_of_a_transaction_nobody_is_asked(library):
    """A library is also used in scripts."""
    asked = []
    _patch.install((_patch.Patch("a_library", "Parent.answer", lambda *_: asked.append(1)),), sys.exit)

    assert library.Parent().answer(42) == 42
    assert asked == []


def test_the_librarys_own_exception_passes(library, monkeypatch):
    """As the same object."""
    error = KeyError("own")

    def answer(self, value):
        raise error

    monkeypatch.setattr(library.Parent, "answer", answer)
    _patch.install((_patch.Patch("a_library", "Parent.answer", lambda *_: "name"),), sys.exit)
    with pytest.raises(KeyError) as caught:
        library.Parent().answer(1)

    assert caught.value is error
    _patch.undo()


def test_an_inherited_method_is_inherited_again(library):
    """The patch was in the child, and so was nothing before."""
    _patch.install((_patch.Patch("a_library", "Child.answer", lambda *_: None),), sys.exit)
    assert "answer" in vars(library.Child)
    _patch.undo()

    assert "answer" not in vars(library.Child)


def test_a_method_another_version_does_not_have_is_left_out(library):
    """No failure: the table names several places for several versions."""
    _patch.install((_patch.Patch("a_library", "Parent.unknown", lambda *_: None),), sys.exit)

    assert not hasattr(library.Parent, "unknown")


def test_a_class_that_cannot_be_patched_fails_quietly(library):
    """It happens within the app's import."""
    failures = []
    library.Fixed = int
    patch = _patch.Patch("a_library", "Fixed.bit_length", lambda *_: None)
    _patch.install((patch,), lambda: failures.append(sys.exc_info()[1]))

    assert [type(failure) for failure in failures] == [TypeError]
    assert (5).bit_length() == 3


@pytest.fixture
def counted():
    """What has been counted in the transaction that runs here."""
    recording = Recording()
    with recording.transaction():
        yield recording


def told(recording):
    """The calls, by name and error."""
    return [(call.name, call.error) for call in recording.take()]


ANSWER = Operation("answer", DB, "db.client.operation.duration")


def test_a_call_is_a_span(library, counted):
    """It is counted with what `describe` says of it, and gives what it gave before."""
    seen = []

    def describe(instance, args, kwargs):
        seen.append((type(instance), args, kwargs))
        return ANSWER

    _patch.install((_patch.Call("a_library", "Parent.answer", describe),), sys.exit)

    assert library.Parent().answer(value=42) == 42
    assert told(counted) == [("answer", None)]
    assert seen == [(library.Parent, (), {"value": 42})]


def test_a_call_that_fails_is_counted_as_that(library, counted, monkeypatch):
    """With the type of the exception, which passes as the same object."""
    error = KeyError("own")

    def answer(self, value):
        raise error

    monkeypatch.setattr(library.Parent, "answer", answer)
    _patch.install((_patch.Call("a_library", "Parent.answer", lambda *_: ANSWER),), sys.exit)
    with pytest.raises(KeyError) as caught:
        library.Parent().answer(1)

    assert caught.value is error
    assert told(counted) == [("answer", "KeyError")]
    _patch.undo()


def test_a_describe_that_raises_is_swallowed(library, counted):
    """The call is made, and not recorded."""
    failures = []
    _patch.install(
        (_patch.Call("a_library", "Parent.answer", lambda *_: 1 / 0),), lambda: failures.append(sys.exc_info()[1])
    )

    assert library.Parent().answer(42) == 42
    assert [type(failure) for failure in failures] == [ZeroDivisionError]
    assert told(counted) == []


def test_an_exchange_makes_something_of_its_own(library):
    """And the original comes back."""
    original = library.Parent.answer
    patch = _patch.Exchange("a_library", "Parent.answer", lambda original, failed: lambda self, value: -value)
    _patch.install((patch,), sys.exit)
    assert library.Parent().answer(42) == -42
    _patch.undo()

    assert library.Parent.answer is original


class Client:
    """Something of a library's, in all the ways things are called."""

    def __init__(self, *values):
        self.values = values
        self.closed = False

    def get(self, key="key"):
        """An ordinary method."""
        return self, key

    async def fetch(self, key):
        """One that waits."""
        await asyncio.sleep(0)
        if key == "fail":
            raise KeyError(key)
        return self, key

    def stream(self, *values):
        """One that gives a value at a time, and takes what it is sent."""
        try:
            for value in values:
                sent = yield value
                if sent is not None:
                    yield sent
        except ValueError as error:
            yield f"caught {error}"
        finally:
            self.closed = True
        return "returned"

    async def rows(self, *values):
        """One of both."""
        for value in values:
            yield value

    @classmethod
    def make(cls, *values):
        """One of the class."""
        return cls(*values)

    @staticmethod
    def join(first, second):
        """One of neither."""
        return first, second

    def __enter__(self):
        return self

    def __exit__(self, kind, error, place):
        self.closed = True
        return kind is LookupError


METHODS = ("get", "fetch", "stream", "rows", "make", "join", "__enter__", "__exit__")


@pytest.fixture
def client(library, monkeypatch):
    """The class of a library all of whose methods are patched, each an operation by its name."""

    class Patched(Client):
        """A copy of it."""

    for name in METHODS:
        setattr(Patched, name, vars(Client)[name])
    library.Client = Patched
    operations = {name: Operation(name, DB, "db.client.operation.duration") for name in METHODS}

    def patch(name):
        return _patch.Call("a_library", f"Client.{name}", lambda *_: operations[name])

    failures = []
    _patch.install([patch(name) for name in METHODS], lambda: failures.append(sys.exc_info()[1]))
    yield Patched
    assert failures == []
    _patch.undo()
    assert all(vars(Patched)[name] is vars(Client)[name] for name in METHODS)


def test_class_methods_and_static_methods_stay_what_they_are(client, counted):
    """Called on the class or on an object."""
    assert type(client.make(1)) is client
    assert client().make(1).values == (1,)
    assert client.join(1, 2) == client().join(1, 2) == (1, 2)
    assert told(counted) == [("make", None), ("make", None), ("join", None), ("join", None)]


def test_everything_is_still_what_it_was(client):
    """For those who look before they call."""
    assert inspect.iscoroutinefunction(client.fetch)
    assert inspect.isgeneratorfunction(client.stream)
    assert inspect.isasyncgenfunction(client.rows)
    assert inspect.signature(client.get) == inspect.signature(Client.get)
    assert (client.get.__name__, client.get.__doc__) == ("get", "An ordinary method.")


def test_a_coroutine_is_recorded_until_it_ends(client, counted):
    """Two at a time are two calls; one that fails says so, and passes its own exception."""

    async def both():
        one = client()
        return await asyncio.gather(one.fetch("a"), one.fetch("b"), one.fetch("fail"), return_exceptions=True)

    first, second, third = asyncio.run(both())
    assert (first[1], second[1], repr(third)) == ("a", "b", "KeyError('fail')")
    assert sorted(told(counted), key=str) == [("fetch", "KeyError"), ("fetch", None), ("fetch", None)]


def test_a_generator_is_one_call_and_keeps_all_its_ways(client, counted):
    """Values, what it is sent, what is thrown into it, what it returns, and being left."""
    one = client()
    stream = one.stream(1, 2)
    assert told(counted) == []
    assert [next(stream), stream.send("sent"), next(stream), stream.throw(ValueError("x"))] == [
        1,
        "sent",
        2,
        "caught x",
    ]
    with pytest.raises(StopIteration) as ending:
        next(stream)
    assert ending.value.value == "returned"
    assert told(counted) == [("stream", None)]

    left = one.stream(1, 2)
    next(left)
    one.closed = False
    left.close()
    assert one.closed
    with pytest.raises(KeyError):
        next(stream := one.stream(1)), stream.throw(KeyError("own"))
    assert [name for name, _ in told(counted)] == ["stream", "stream"]


def test_a_generator_of_coroutines_is_left_alone(client, counted):
    """It works as before, and is not recorded."""

    async def all_of_them():
        return [row async for row in client().rows(1, 2)]

    assert asyncio.run(all_of_them()) == [1, 2]
    assert told(counted) == []


def test_a_context_manager_is_entered_and_left(client, counted):
    """What it returns and what it swallows stays the same."""
    with client() as entered:
        assert type(entered) is client
    with client(), pytest.raises(KeyError):
        raise KeyError
    with client():
        raise LookupError
    assert entered.closed
    assert {name for name, _ in told(counted)} == {"__enter__", "__exit__"}


def test_subclasses_of_a_client_are_clients(client, counted):
    """Whoever overrides a method and calls the original is counted once; who does not is counted, too."""

    class Mine(client):
        def get(self, key="mine"):
            return super().get(key)

    class Plain(client):
        """Changes nothing."""

    mine = Mine()
    assert mine.get() == (mine, "mine")
    assert told(counted) == [("get", None)]
    assert Plain().get()[1] == "key"
    assert told(counted) == [("get", None)]
    assert isinstance(mine, client)


def test_threads_record_what_belongs_to_their_own_transaction(client):
    """A thread without one records nothing, whatever runs beside it."""
    recordings = [Recording() for _ in range(4)]
    barrier = threading.Barrier(len(recordings) + 1)

    def work(recording):
        barrier.wait()
        if recording is None:
            client().get()
            return
        with recording.transaction():
            for _ in range(50):
                client().get()

    threads = [threading.Thread(target=work, args=(recording,)) for recording in [*recordings, None]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(recording.take()) for recording in recordings] == 4 * [50]


def test_greenlets_record_what_belongs_to_their_own_transaction():
    """Requests of one gevent worker run by turns, also in the middle of a call."""
    code = """
from gevent import monkey; monkey.patch_all()
import gevent, sys, types
sys.path.insert(0, ".")
from tests.instruments.recording import Recording
from wsgiapm.instruments import _patch
from wsgiapm.span import DB, Operation
class Client:
    def get(self, number):
        gevent.sleep(0)
        return number
library = sys.modules["a_library"] = types.ModuleType("a_library")
library.Client = Client
operations = [Operation(str(number), DB, "x") for number in range(8)]
_patch.install([_patch.Call("a_library", "Client.get", lambda client, args, kwargs: operations[args[0]])], sys.exit)
def request(number):
    recording = Recording()
    with recording.transaction():
        for _ in range(20):
            assert Client().get(number) == number
    return set(recording.names()), recording.begun
jobs = [gevent.spawn(request, number) for number in range(8)]
gevent.joinall(jobs, raise_error=True)
print(all(job.value[0] == {str(number)} for number, job in enumerate(jobs)))
"""
    assert run(code) == "True"


def test_what_somebody_else_has_patched_over_ours_stays(library):
    """Other agents patch as well: to undo theirs is not ours to do."""
    _patch.install((_patch.Call("a_library", "Parent.answer", lambda *_: ANSWER),), sys.exit)
    ours = library.Parent.answer
    library.Parent.answer = lambda self, value: ours(self, value) + 1
    _patch.undo()
    try:
        assert library.Parent().answer(41) == 42
    finally:
        library.Parent.answer = ours.__wrapped__


def test_errors_of_instruments_are_counted_where_the_doctor_finds_them(library, counted, monkeypatch):
    """At the gate of the instruments."""
    from wsgiapm.agent import Agent
    from wsgiapm.aggregate import layout
    from wsgiapm.config import resolve

    gates = []
    agent = Agent(resolve({"enabled": True}))
    monkeypatch.setattr(agent._self_report, "count_error", gates.append)
    monkeypatch.setattr(log, "once", lambda *_: None)

    patch = _patch.Call("a_library", "Parent.answer", lambda *_: 1 / 0)
    _patch.install((patch,), functools.partial(agent.failed, layout.INSTRUMENT_ERRORS))

    assert library.Parent().answer(42) == 42
    assert gates == [layout.INSTRUMENT_ERRORS]
