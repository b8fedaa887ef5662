# SPDX-License-Identifier: Apache-2.0
"""What a worker says of the process it is in."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from wsgiapm import surroundings


def describe(**given: object) -> int:
    """The word of a healthy process, but for what is given."""
    return surroundings.describe(
        **{"hooked": True, "started_patched": False, "threads": True, "bad_settings": 0, **given}  # type: ignore[arg-type]
    )


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests may have imported a server into this process."""
    for name in ("gunicorn.arbiter", "uwsgi", "gevent.monkey"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that gevent has patched."""
    monkeypatch.setitem(sys.modules, "gevent.monkey", SimpleNamespace(is_module_patched=lambda _: True))


def test_a_plain_process() -> None:
    """It says that it is known, and nothing that is not so."""
    assert describe() == surroundings.KNOWN | surroundings.HOOKED


def test_servers_are_known_by_their_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without importing them."""
    monkeypatch.setitem(sys.modules, "uwsgi", ModuleType("uwsgi"))
    monkeypatch.setitem(sys.modules, "gunicorn.arbiter", ModuleType("gunicorn.arbiter"))

    assert describe(hooked=False) == surroundings.KNOWN | surroundings.UWSGI | surroundings.GUNICORN


@pytest.mark.parametrize("path", [None, "/run/dirty.sock"])
def test_dirty_workers_are_known_by_their_address(path: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An app may import gunicorn's client for them where there are none."""
    monkeypatch.setitem(sys.modules, "gunicorn.dirty.client", SimpleNamespace(_dirty_socket_path=path))

    assert bool(describe() & surroundings.DIRTY) is (path is not None)


def test_threads_that_were_refused() -> None:
    """The system gave none."""
    assert describe(threads=False) & surroundings.NO_THREADS


@pytest.mark.parametrize("before", [True, False])
def test_when_gevent_patched(before: bool, patched: None) -> None:
    """It matters whether the agent had started by then."""
    word = describe(started_patched=before)

    assert word & surroundings.PATCHED
    assert bool(word & surroundings.PATCHED_LATE) is not before


@pytest.mark.parametrize("same", [True, False])
def test_urllib3_with_another_class_than_ssl(same: bool, patched: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is what breaks https, and what is looked at."""
    import ssl

    held = ssl.SSLContext if same else object
    monkeypatch.setitem(sys.modules, "urllib3.util.ssl_", SimpleNamespace(SSLContext=held))

    assert bool(describe(started_patched=True) & surroundings.TLS_MIXED) is not same


@pytest.mark.parametrize(("given", "told"), [(0, 0), (7, 7), (1000, 255)])
def test_bad_settings_are_counted(given: int, told: int) -> None:
    """As far as there is room."""
    assert surroundings.bad_settings(describe(bad_settings=given)) == told
