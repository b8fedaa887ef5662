# SPDX-License-Identifier: Apache-2.0
"""Places of transactions: remembered by path and by name, told apart, and bounded."""

from __future__ import annotations

import pytest

from wsgiapm import places as places_module
from wsgiapm.aggregate.index import Index, MemoryLog
from wsgiapm.aggregate.layout import COUNTING, RUNNING
from wsgiapm.aggregate.schema import UNKNOWN
from wsgiapm.places import HEAD, METHODS, Places, method_and_scheme

GET = METHODS["http"]["GET"]


class BusyLog(MemoryLog):
    """A log that another process is writing, as long as `busy`."""

    busy = False

    def lock(self):
        """Refuse as long as somebody else writes."""
        return not self.busy


@pytest.fixture
def log():
    """Where the names are kept."""
    return BusyLog()


@pytest.fixture
def places(log):
    """Places in an index with room for ten names; the first one is the unknown's, as in every instance."""
    index = Index(log, lambda _: True)
    index.add_name(UNKNOWN)
    return Places(index, 10)


def test_a_path_is_folded_once_and_remembered(places):
    """The place of a path is looked up, not made, from the second request on; all paths of a route share it."""
    place = places.learn(GET, "/orders/17")

    assert place[0] == "/orders/*"
    assert place[1] == places.word("/orders/*") | GET
    assert (place[1] & 0xF, place[2] & 0xF) == (RUNNING, COUNTING)
    assert places.of_paths == {GET: {"/orders/17": place}}
    assert places.learn(GET, "/orders/18") is place


def test_each_method_has_its_own(places):
    """What is counted apart is not found in the same place, and an answer to HEAD is known to have no body."""
    get, head = places.learn(GET, "/"), places.learn(METHODS["https"]["HEAD"], "/")

    assert get[4] is not head[4]
    assert (get[3], head[3]) == (False, True)


def test_a_name_that_looks_like_a_route_is_another_place(places):
    """A 404 of the app's own view has its name, one of a path nobody knows is (not found): they share no entries."""
    assert places.learn(GET, "/orders")[4] is not places.of_name("/orders", GET)[4]


def test_what_is_without_a_number_gets_it_later(places, log):
    """A busy index leaves a name out for now, and only for now."""
    log.busy = True
    assert places.learn(GET, "/orders")[1] == places.of_name("walks", GET)[1] == GET
    assert places.of_paths == {}

    log.busy = False
    assert places.of_name("walks", GET)[1] != GET
    assert places.learn(GET, "/orders")[1] != GET


def test_paths_are_bounded(places, monkeypatch):
    """A million distinct URLs of one route take no more memory than some thousand, and long ones none at all."""
    monkeypatch.setattr(places_module, "PATHS_AT_MOST", 5)

    for number in range(100):
        places.learn((GET, *HEAD)[number % 3], f"/orders/{number}")
        assert sum(map(len, places.of_paths.values())) <= 5
    places.learn(GET, "/orders/" + "x" * 300)

    assert all(len(path) <= 200 for paths in places.of_paths.values() for path in paths)


def test_names_and_routes_are_bounded(places):
    """However many names an app gives, and attackers routes, only so many are remembered."""
    for number in range(500):
        name = f"/{'abcdefghij'[number % 10]}{'abcdefghij'[number // 10 % 10]}"
        for method in METHODS["http"].values():
            places.of_name(name, method)
            places.learn(method, name)
            assert len(places._of_names) <= 10
            assert len(places._of_routes) <= 10


def test_strange_methods_are_one():
    """What is no method of HTTP, or no scheme, is counted as another."""
    assert method_and_scheme("WALK", "gopher") == METHODS["http"]["_OTHER"]
    assert method_and_scheme("GET", "https") == METHODS["https"]["GET"]
    assert method_and_scheme("HEAD", "https") in HEAD
