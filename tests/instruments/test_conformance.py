# SPDX-License-Identifier: Apache-2.0
"""What holds for every instrument: it is data, it goes on once and off without a trace, and it harms nobody."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from wsgiapm import instruments
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
    holder, attribute = holder_of(patch)
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


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_an_instrument_does_not_load_its_library(module):
    """Whoever does not use it does not pay for it, and a library that is not there is no trouble."""
    code = f"""
import sys
from wsgiapm import instruments
instruments.install((), sys.exit)
print({module.MODULE!r} in sys.modules)
instruments.uninstall()
sys.modules[{module.MODULE!r}] = None
instruments.install((), sys.exit)
"""
    assert run(code) == "False"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_an_instrument_goes_on_when_its_library_is_imported_later(module):
    """The agent starts at the first request at the latest; libraries may be loaded in views."""
    [patch, *_] = module.PATCHES
    pytest.importorskip(patch.module, exc_type=ImportError)
    code = f"""
import importlib, sys
from wsgiapm import instruments
instruments.install((), sys.exit)
holder = importlib.import_module({patch.module!r})
for name in {patch.target!r}.split("."): holder = getattr(holder, name)
print(hasattr(holder, "__wrapped__"), "wrapt" in sys.modules)
"""
    assert run(code) == "True True"


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
print(failures, hasattr(flask.ctx.RequestContext.match_request, "__wrapped__"))
"""
    assert run(code) == "['ModuleNotFoundError', 'ModuleNotFoundError'] False"


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
            assert function_of(first).__wrapped__ is function_of(original)
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
    """What has been counted in the transaction that runs here, by name and error."""
    from types import SimpleNamespace

    from wsgiapm.transaction import CURRENT, Transaction

    calls = []
    transaction = Transaction()
    transaction.recorder = SimpleNamespace(
        operations=SimpleNamespace(count=lambda operation, error, _: calls.append((operation.name, error)))
    )
    token = CURRENT.set(transaction)
    yield calls
    CURRENT.reset(token)


ANSWER = Operation("answer", DB, "db.client.operation.duration")


def test_a_call_is_a_span(library, counted):
    """It is counted with what `describe` says of it, and gives what it gave before."""
    seen = []

    def describe(instance, args, kwargs):
        seen.append((type(instance), args, kwargs))
        return ANSWER

    _patch.install((_patch.Call("a_library", "Parent.answer", describe),), sys.exit)

    assert library.Parent().answer(value=42) == 42
    assert counted == [("answer", None)]
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
    assert counted == [("answer", "KeyError")]
    _patch.undo()


def test_a_describe_that_raises_is_swallowed(library, counted):
    """The call is made, and not recorded."""
    failures = []
    _patch.install(
        (_patch.Call("a_library", "Parent.answer", lambda *_: 1 / 0),), lambda: failures.append(sys.exc_info()[1])
    )

    assert library.Parent().answer(42) == 42
    assert [type(failure) for failure in failures] == [ZeroDivisionError]
    assert counted == []


def test_an_exchange_makes_something_of_its_own(library):
    """And the original comes back."""
    original = library.Parent.answer
    patch = _patch.Exchange("a_library", "Parent.answer", lambda original, failed: lambda self, value: -value)
    _patch.install((patch,), sys.exit)
    assert library.Parent().answer(42) == -42
    _patch.undo()

    assert library.Parent.answer is original
