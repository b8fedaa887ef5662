# SPDX-License-Identifier: Apache-2.0
"""Damaged files, at random: the app serves on, no process dies, what can be counted is, and the doctor names the file.

Each case is one damage to one file under a living worker, and before another one joins. Its seed decides what is random
in it and stands in its name, so that it can be repeated alone.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from itertools import product
from random import Random
from typing import NamedTuple

import pytest

from tests.aggregate.counting import aborted, by_route, fork, join_patiently, record, recorder_at, run, wait
from tests.stress import damage
from tests.stress.ledger import SCALE
from tests.stress.worker import Worker, settings_of
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.journal import Journal
from wsgiapm.aggregate.mailbox import note_delivered, read_mail
from wsgiapm.aggregate.merge import merge
from wsgiapm.config import resolve
from wsgiapm.doctor import examine
from wsgiapm.errors import SharedDirectoryError

LIVING, DEAD, INDEX, LOCKS, JOURNAL = "segment-0", "segment-1", "index", "locks", "journal-0"
FILES = (LIVING, DEAD, INDEX, LOCKS, JOURNAL, "black-box-0", "black-box-1")
# In these nothing tells that a bit is another one than it was, as long as it does not make a number impossible.
SILENT = ("flip header", "flip rows", "flip cells", "scribble", "overwrite", "zero")
# After these a worker puts its own segment, or the index, in order again.
HEALED = {
    LIVING: (*damage.REPLACING, *damage.UNUSABLE, "other version", "grow"),
    INDEX: ("copy", "remove", "grow"),
    DEAD: ("copy", "flip rows"),
}
# A file that is not there, or has nothing in it, was perhaps never there; so the doctor cannot miss it.
UNSEEN = ("remove", "empty", "zero", "copy", "swap")


class Case(NamedTuple):
    """One damage to one file."""

    file: str
    kind: str
    seed: int

    def __str__(self) -> str:
        return f"{self.file}-{self.kind}-{self.seed}".replace(" ", "-")

    @property
    def random(self) -> Random:
        """All that is random in it."""
        return Random(str(self))


def cases(seed, thin=1):
    """Every kind of damage to every file; of those that no count depends on only some, if they are to be thinned out."""
    for number, (file, kind) in enumerate(product(FILES, damage.ALL)):
        rare = file not in (LIVING, DEAD, INDEX) and kind not in damage.UNUSABLE
        if (file != LIVING or kind not in damage.SHORTENING) and not (rare and number % thin):
            yield Case(file, kind, seed)


def ask_doctor(settings, shared):
    """What is wrong, as the doctor says in a process of its own: one text for each finding."""
    reading, writing = os.pipe()

    def look():
        findings = [f"{f.message} -> {f.remedy}" for f in examine(resolve(settings), shared) if f.severity != "info"]
        assert all(f.remedy for f in examine(resolve(settings), shared) if f.severity != "info")
        with os.fdopen(writing, "w") as file:
            json.dump(findings, file)

    pid = fork(look)
    os.close(writing)
    with os.fdopen(reading) as file:
        text = file.read()
    assert wait(pid) == 0
    return json.loads(text)


def count(shared):
    """Finished requests by worker, from the first part of their routes; None when the directory cannot be read."""
    try:
        snapshot = merge(shared)
    except SharedDirectoryError:
        return None
    found: Counter[str] = Counter()
    for route, number in by_route(snapshot).items():
        found[route.split("/")[1] if route.startswith("/") else "(other)"] += number
    found["aborted"] = aborted(snapshot).total()
    return found


class Scene:
    """A living worker that counts, a dead one that left something; then the damage, and both apps go on."""

    def __init__(self, shared, log):
        self.shared = shared
        self.log = log
        self.settings = settings_of(shared, log)
        self.living = Worker(self.settings, "living")
        self.living.ask("place")
        dead = Worker(self.settings, "dead")
        self.living.serve(12)
        dead.serve(12)
        self.living.ask("tell")
        dead.die()
        self.expected = Counter(dead=12, aborted=1)

    def go_on(self):
        """Serve on in the living worker, and in another one that joins; neither app may notice anything."""
        self.living.serve(24)
        late = Worker(self.settings, "late")
        late.serve(12)
        self.living.serve(12)
        for _ in range(2):  # the first one may have met another writer of the index
            self.living.ask("harvest")
        joined = late.ask("place")["segment"] >= 0
        assert (late.end(), self.living.end()) == (0, 0)
        self.expected["living"] = self.living.served
        self.expected["late"] = late.served if joined else 0
        return joined

    def said(self):
        """What the workers have written into the log."""
        if not os.path.exists(self.log):
            return ""
        with open(self.log, encoding="utf-8") as file:
            return file.read()


def check(case, shared, tmp_path):
    """Bring one damage about and see what becomes of it."""
    scene = Scene(shared, str(tmp_path / f"log-{case}"))
    path = os.path.join(shared, case.file)
    damaged = {case.file} | ({damage.partner(path, case.random)} if case.kind == "swap" else set())
    damage.ALL[case.kind](path, case.random)
    findings = ask_doctor(scene.settings, shared)
    joined = scene.go_on()
    found = count(shared)

    assert "report it" not in scene.said()
    assert joined or any(where in scene.said() for where in (*damaged, shared))
    lost = check_counts(case, damaged, found, scene.expected)
    named = any(f"/{file}" in text or shared in text for file in damaged for text in findings)
    assert named or not lost or case.kind in UNSEEN or case.kind in SILENT
    assert named or case.kind not in damage.UNUSABLE
    assert ask_doctor(scene.settings, shared) is not None


def check_counts(case, damaged, found, expected):
    """Compare what could be counted with what was served; returns whether anything is lost."""
    if found is None:
        assert INDEX in damaged
        assert case.kind not in HEALED[INDEX]
        return True
    sure = {
        "living": LIVING not in damaged or case.kind in HEALED[LIVING],
        "dead": DEAD not in damaged or case.kind in HEALED[DEAD],
    }
    sure["late"] = sure["dead"]  # it adopts what the dead one left
    if INDEX in damaged and case.kind not in HEALED[INDEX]:
        # A worker that finds the index damaged keeps what it cannot enter; what it had entered is there.
        sure = dict.fromkeys(sure, False)
    silent = case.kind in SILENT and damaged & {LIVING, DEAD}
    for who, certain in sure.items():
        # A flipped bit in one file may be one of any route's; whatever is counted besides stays.
        enough = expected[who] <= found[who] if silent else expected[who] == found[who]
        assert not certain or enough or found["(other)"], (who, found, expected)
    total = sum(expected.values())
    assert not all(sure.values()) or silent or found.total() == total, (found, expected)
    return found.total() < total


SHORT = list(cases(1, thin=4))


@pytest.mark.parametrize("case", SHORT, ids=map(str, SHORT))
def test_damage(case, shared, tmp_path):
    """Each kind of damage once."""
    if case.kind == "give away" and os.geteuid() != 0:
        pytest.skip("only root can give files away")
    check(case, shared, tmp_path)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(2, 5 + SCALE // 4))
def test_much_damage(seed, shared, tmp_path):
    """Every kind of damage to every file, with other random numbers each time."""
    for case in cases(seed):
        if case.kind != "give away" or os.geteuid() == 0:
            try:
                check(case, f"{shared}-{case}", tmp_path)
            except BaseException as error:
                error.add_note(f"this was {case}") if hasattr(error, "add_note") else None
                raise


EVERY_WORD = range(0, layout.CELLS_OFFSET + 64, layout.WORD)


@pytest.mark.parametrize(
    "sizes",
    [EVERY_WORD[::97], pytest.param(EVERY_WORD, marks=[pytest.mark.long, pytest.mark.timeout(900)])],
    ids=["some", "every"],
)
def test_a_dead_segment_cut_at_every_word(shared, sizes):
    """Header and rows, and a little of the cells: the others stay counted, and the next process has a whole segment."""
    keeper = recorder_at(shared)
    record(keeper, "/kept")
    assert run(lambda: record(recorder_at(shared), "/cut")) == 0
    with open(f"{shared}/{DEAD}", "rb") as file:
        whole = file.read()

    def cut_and_join():
        for size in sizes:
            with open(f"{shared}/{DEAD}", "wb") as file:
                file.write(whole[:size])
            assert by_route(merge(shared))["/kept"] == 1
            heir = recorder_at(shared)
            assert heir.instance.segment.number == 1
            record(heir, "/joined")
            assert by_route(merge(shared)) == {"/kept": 1, "/joined": 1}
            heir.instance.close()
            os.unlink(f"{shared}/{DEAD}")

    assert run(cut_and_join) == 0
    assert {name for name in os.listdir(shared) if name.startswith("damaged")} <= {"damaged-1"}
    keeper.instance.close()


@pytest.mark.parametrize("file", [JOURNAL, INDEX])
def test_journal_and_index_cut_at_every_word(shared, file):
    """Reading and writing them raise nothing else than what is promised; a journal can be written again."""
    keeper = recorder_at(shared)
    record(keeper, "/kept")
    assert keeper.instance.journal is not None
    keeper.instance.journal.append(layout.WORKER_DIED_EVENT, b"x" * 200)
    keeper.instance.close()
    with open(f"{shared}/{file}", "rb") as opened:
        whole = opened.read()
    # What follows what has been written is room for more.
    words = memoryview(whole[:80]).cast("Q")
    used = layout.PAGE + words[layout.COMMITTED_OFFSET // 8 if file == INDEX else layout.WRITTEN_OFFSET // 8]

    def cut_and_use():
        for size in range(0, used, layout.WORD if used < 20_000 else 5 * layout.WORD):
            with open(f"{shared}/{file}", "wb") as opened:
                opened.write(whole[:size])
            if file == INDEX:
                with pytest.raises(SharedDirectoryError):
                    merge(shared)
                continue
            instance = join_patiently(shared)
            mail = read_mail(instance.directory, instance.header.epoch)
            assert len(mail.events) <= 1
            note_delivered(instance.directory, mail)
            refused: list[str] = []
            journal = Journal(instance.directory, 0, instance.header.epoch, refused.append)
            journal.append(layout.WORKER_DIED_EVENT, b"after")
            assert not refused
            (event,) = read_mail(instance.directory, instance.header.epoch).events
            assert event.payload == b"after"
            journal.close()
            instance.close()

    assert run(cut_and_use) == 0
