# SPDX-License-Identifier: Apache-2.0
"""Which versions of a library an instrument goes on for, and what the log says of it. The libraries are stand-ins."""

from __future__ import annotations

import re
import sys
import types
from importlib import import_module

import pytest

from tests.instruments.recording import Recording
from wsgiapm import instruments, log
from wsgiapm.instruments import _calls, _library, _outgoing, _patch
from wsgiapm.instruments._news import News

INSTRUMENTS = {name: import_module(f"wsgiapm.instruments.{name}") for name in instruments.TABLE}
# The standard library has the version of Python.
WITH_VERSIONS = [
    name for name, module in INSTRUMENTS.items() if module.MODULE.partition(".")[0] not in sys.stdlib_module_names
]


class OwnError(Exception):
    """What a library raises."""


def answer(self, *args, **kwargs):
    """What stands where a library's function would."""
    if args == ("fail",):
        raise OwnError(self, args, kwargs)
    return self, args, kwargs


def distribution(instrument):
    """What it is called on PyPI."""
    return getattr(instrument, "DISTRIBUTION", instrument.MODULE)


def bound(instrument, relation):
    """The version a relation names: ("<", ">=2,<4") is 4."""
    found = re.search(relation + r"\s*([0-9.]+)", instrument.VERSIONS)
    return found[1] if found else None


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """`stand_in(instrument, version)` puts a library into sys.modules that has what is to be patched, and no more."""

    def make(instrument, version):
        place = tmp_path / instrument.MODULE.replace(".", "/")
        place.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{distribution(instrument).replace('-', '_')}-{version}.dist-info").mkdir()
        (tmp_path / "another-0.0.1.dist-info").mkdir()
        for name in {instrument.MODULE, *(patch.module for patch in instrument.PATCHES)}:
            module = types.ModuleType(name)
            module.__file__ = str(place / ("__init__.py" if name == instrument.MODULE else "part.py"))
            monkeypatch.setitem(sys.modules, name, module)
        for patch in instrument.PATCHES:
            holder = sys.modules[patch.module]
            *path, attribute = patch.target.split(".")
            for part in path:
                if part not in vars(holder):
                    setattr(holder, part, type(part, (), {}))
                holder = vars(holder)[part]
            setattr(holder, attribute, answer)
        return place / "__init__.py"

    instruments.uninstall()
    yield make
    instruments.uninstall()


@pytest.fixture
def lines(tmp_path):
    """What the log says, without its stamps."""
    path = tmp_path / "log"
    log.configure(str(path), "DEBUG")
    yield lambda: re.findall(r"\[(\w+)\] wsgiapm: (.*)", path.read_text() if path.exists() else "")
    log.configure(None, "INFO")


def pass_on(original, failed):
    """What every exchange is exchanged for here: a real one knows its library too well for a stand-in."""
    return _calls.traced(original, lambda *_: None, failed)


def harmless(patch):
    """A patch that can be applied to a stand-in."""
    return patch._replace(make=pass_on) if isinstance(patch, _patch.Exchange) else patch


def install(name, failures, news):
    """Install one instrument as the table does."""
    instrument = INSTRUMENTS[name]
    patches = [harmless(patch) for patch in instrument.PATCHES]
    _patch.install(patches, lambda: failures.append(sys.exc_info()[1]), lambda: news.admit(name, instrument))


def places(instrument):
    """What stands in each place now, by its target."""
    found = {}
    for patch in instrument.PATCHES:
        holder = sys.modules[patch.module]
        *path, attribute = patch.target.split(".")
        for part in path:
            holder = vars(holder)[part]
        found[patch.module, patch.target] = vars(holder)[attribute]
    return found


@pytest.mark.parametrize("name", WITH_VERSIONS)
def test_a_library_that_is_too_old_is_left_alone(name, stand_in, lines, failures):
    """Nothing is patched; the log warns, once."""
    instrument = INSTRUMENTS[name]
    file = stand_in(instrument, "0.0.1")
    news = News()
    news.announce(aloud=True)
    install(name, failures, news)
    install(name, failures, news)

    assert set(places(instrument).values()) == {answer}
    assert failures == []
    expected = (
        f"instrument {name}: not installed, it is for {instrument.VERSIONS}: {instrument.MODULE} 0.0.1 from {file}"
    )
    assert lines() == [("WARNING", expected)]


@pytest.mark.parametrize("name", WITH_VERSIONS)
@pytest.mark.parametrize("version", ["lowest", "999.0rc1"])
def test_a_library_that_is_known_or_newer_is_patched_exactly(name, version, stand_in, lines, failures):
    """Once, and undone to the very same; the log says for which version, from which file, and whether that was tested."""
    instrument = INSTRUMENTS[name]
    version = bound(instrument, ">=") if version == "lowest" else version
    newer = version == "999.0rc1" and bound(instrument, "<") is not None
    file = stand_in(instrument, version)
    news = News()
    news.announce(aloud=True)
    install(name, failures, news)
    first = places(instrument)
    install(name, failures, news)

    assert answer not in first.values()
    assert places(instrument) == first
    assert all(place.__wrapped__ is answer for place in first.values())
    remark = f" (newer than tested: {instrument.VERSIONS})" if newer else ""
    assert lines() == [("INFO", f"instrument {name}: {instrument.MODULE} {version} from {file}{remark}")]
    _patch.undo()
    assert set(places(instrument).values()) == {answer}
    assert failures == []


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_what_goes_wrong_in_an_instrument_stays_there(name, stand_in, failures):
    """Its own library would hardly be called so; every gate holds, results and exceptions pass, errors are told."""
    instrument = INSTRUMENTS[name]
    stand_in(instrument, "999")
    install(name, failures, News())
    with Recording().transaction():
        for place in places(instrument).values():
            assert place(None, "some", more=1) == (None, ("some",), {"more": 1})
            with pytest.raises(OwnError) as raised:
                place(None, "fail")
            assert raised.value.__cause__ is None
            assert raised.value.__context__ is None

    assert not any(isinstance(failure, OwnError) for failure in failures)


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_without_a_transaction_there_is_one_check(name, stand_in, failures, monkeypatch):
    """One look at the context, and nothing else: whatever else was called would raise."""
    looks = []
    for gate in (_calls, _outgoing):
        monkeypatch.setattr(gate, "running", lambda: looks.append(1))
    monkeypatch.setattr(_calls, "begin", None)
    instrument = INSTRUMENTS[name]
    stand_in(instrument, "999")
    install(name, failures, News())
    for place in places(instrument).values():
        looks.clear()
        assert place(None, "some") == (None, ("some",), {})
        assert len(looks) == 1

    assert failures == []


def test_news_wait_until_the_log_is_known(stand_in, lines, failures):
    """An agent is installed before it has joined the others."""
    stand_in(INSTRUMENTS["flask"], "3.0")
    news = News()
    install("flask", failures, news)
    assert lines() == []
    news.announce(aloud=True)
    news.announce(aloud=True)

    assert [level for level, _ in lines()] == ["INFO"]


@pytest.mark.parametrize("version", ["0.1", "3.0", "999"])
def test_only_one_worker_says_it_aloud(version, stand_in, lines, failures):
    """The other sixteen have the same to say."""
    stand_in(INSTRUMENTS["flask"], version)
    news = News()
    news.announce(aloud=False)
    install("flask", failures, news)

    assert [level for level, _ in lines()] == ["DEBUG"]


@pytest.mark.parametrize(
    ("version", "versions", "verdict"),
    [
        ("4.2", ">=4.2,<6", ""),
        ("4.2.0", ">=4.2,<6", ""),
        ("4.1.13", ">=4.2,<6", "too old"),
        ("4.10", ">=4.2,<6", ""),
        ("5.2.19", ">=4.2,<6", ""),
        ("6.0a1", ">=4.2,<6", "newer"),
        ("6", ">=4.2,<6", "newer"),
        ("3.1", ">=8.0", "too old"),
        ("", ">=4.2,<6", ""),
        ("unknown", ">=4.2,<6", ""),
    ],
)
def test_versions_are_compared_by_their_numbers(version, versions, verdict):
    """What is no version is let pass."""
    assert _library.judge(version, versions) == verdict


def test_the_version_is_that_of_the_files(tmp_path, monkeypatch):
    """Not of another copy; where there is no metadata beside them, what the module says itself, without a warning."""
    module = types.ModuleType("a_library")
    module.__file__ = str(tmp_path / "a_library" / "__init__.py")
    monkeypatch.setitem(sys.modules, "a_library", module)
    assert _library.find("a_library", "A.Library") == ("", module.__file__)
    module.__version__ = "1.5"
    assert _library.find("a_library", "A.Library").version == "1.5"
    (tmp_path / "a_library-2.7.1.dist-info").mkdir()

    assert _library.find("a_library", "A.Library").version == "2.7.1"
    assert _library.find("not_there", "x") is None


def test_the_libraries_here_are_found():
    """For real: the version pip knows."""
    from importlib.metadata import version

    for name in ("bottle", "flask", "jinja2", "mako", "falcon", "pyramid", "cherrypy", "django"):
        instrument = INSTRUMENTS[name]
        import_module(instrument.MODULE)
        found = _library.find(instrument.MODULE, distribution(instrument))

        assert found.version == version(distribution(instrument))
        assert found.file == sys.modules[instrument.MODULE].__file__
