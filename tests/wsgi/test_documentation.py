# SPDX-License-Identifier: Apache-2.0
"""docs/wsgi.md says what the tests found: `python -m tests.wsgi.test_documentation` writes its tables."""

from __future__ import annotations

import glob
import os
import re
import subprocess
import sys
import tempfile

import pytest

from tests.wsgi import tally
from tests.wsgi.checks import CHECKS, PEERS
from tests.wsgi.conftest import Books
from tests.wsgi.pitfalls import PITFALLS
from wsgiapm.middleware import Middleware

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PAGE = os.path.join(ROOT, "docs", "wsgi.md")
OURSELVES = os.path.basename(__file__)


def page() -> str:
    """The page as it is."""
    with open(PAGE, encoding="utf-8") as text:
        return text.read()


def markers(part: str) -> tuple[str, str]:
    """The lines around a part that is made by the tests."""
    return f"<!-- {part}: made by python -m tests.wsgi.test_documentation -->\n", f"<!-- end of {part} -->\n"


def watched(app):
    """Our middleware around an app."""
    return Middleware(app, Books())


def bare(app):
    """Nothing around an app."""
    return app


def comparison_text() -> str:
    """Every question, and the answers: of nothing around the app, of ours, and of the others."""
    peers = [answers.split("|") for answers in PEERS.values()]
    lines = ["| | no middleware | **wsgiapm** | " + " | ".join(PEERS) + " |", "|---|" + "---|" * (len(PEERS) + 2)]
    for number, (question, check) in enumerate(CHECKS.items()):
        expected, ours = check(bare), check(watched)
        shown = [answers[number] for answers in peers]
        shown = [one if re.sub("[¹²³]", "", one) == expected else f"_{one}_" for one in shown]
        lines.append(
            f"| {question} | {expected} | {f'**{ours}**' if ours == expected else ours} | {' | '.join(shown)} |"
        )
    return "\n".join(lines) + "\n"


def run_the_tests() -> dict[int, dict[str, bool]]:
    """Run the tests of this directory, without this file, and return what they guard against and whether they passed."""
    files = [path for path in sorted(glob.glob(os.path.join(HERE, "test_*.py"))) if not path.endswith(OURSELVES)]
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "tally.json")
        argv = [sys.executable, "-m", "pytest", "-q", "-m", "pitfall", "-p", "tests.wsgi.tally"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        subprocess.run(
            [*argv, "-p", "no:cacheprovider", "-p", "no:xdist", *files],
            cwd=ROOT,
            env={**environment, tally.VARIABLE: path},
            stdout=subprocess.DEVNULL,
            check=False,
        )
        return tally.read(path)


def pitfalls_text(found: dict[int, dict[str, bool]]) -> str:
    """Every pitfall, with a tick if there are tests of it and all of them have passed, and where they are."""
    lines = ["| | pitfall | held off | by |", "|---:|---|:---:|---|"]
    for number, pitfall in PITFALLS.items():
        tests = found.get(number, {})
        tick = "✓" if tests and all(tests.values()) else "no"
        files = sorted({name.partition("::")[0] for name in tests})
        links = ", ".join(f"[{name[5:-3]}](../tests/wsgi/{name})" for name in files)
        lines.append(f"| {number} | {pitfall} | {tick} | {links} |")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def found():
    """What a run of the tests said."""
    return run_the_tests()


def part_of_page(part: str) -> str:
    """What the page says between the markers of a part."""
    begin, end = markers(part)
    assert page().count(begin) == page().count(end) == 1
    return page().partition(begin)[2].partition(end)[0]


def test_every_pitfall_has_tests_and_they_pass(found):
    """No number is without a test, no test has a number that means nothing, and what is ticked has just been run."""
    assert sorted(found) == sorted(PITFALLS)
    assert [name for tests in found.values() for name, passed in tests.items() if not passed] == []
    assert part_of_page("pitfalls") == pitfalls_text(found)


def test_a_pitfall_without_a_passing_test_has_no_tick(found):
    """Neither one that nobody tests, nor one of whose tests any failed."""
    without = pitfalls_text({**found, 3: {}, 4: {"test_x.py::test_y": True, "test_x.py::test_z": False}}).splitlines()

    ticks = {int(line.split("|")[1]): line.split("|")[3].strip() for line in without[2:]}
    assert {number for number, tick in ticks.items() if tick != "✓"} == {3, 4}


def test_the_comparison_is_current():
    """Our column and that of nothing at all are what the checks say now."""
    assert part_of_page("comparison") == comparison_text()


@pytest.mark.parametrize("question", CHECKS)
def test_the_middleware_answers_as_if_it_were_not_there(question):
    """Each check gives the same answer with and without it."""
    assert CHECKS[question](watched) == CHECKS[question](bare)


def test_the_checks_can_fail():
    """A generator around the app, the usual mistake, is found out."""

    def around(app):
        def wrapped(environ, start_response):
            yield from app(environ, start_response)

        return wrapped

    differing = {question for question, check in CHECKS.items() if _answer(check, around) != check(bare)}
    assert {
        "the app is called at once",
        "a file wrapper is the same object",
        '`len([b"x"])`',
        "`close()` calls: never iterated",
        "`start_response` is passed on at once",
        "a sentinel passes",
    } <= differing


def _answer(check, wrap):
    try:
        return check(wrap)
    except (KeyError, TypeError) as error:
        return type(error).__name__


def test_every_peer_has_an_answer_to_each_question():
    """The columns are of one length."""
    assert {len(answers.split("|")) for answers in PEERS.values()} == {len(CHECKS)}


def test_the_page_is_linked():
    """docs/index.md leads to it, and what it leads to exists."""
    with open(os.path.join(ROOT, "docs", "index.md"), encoding="utf-8") as contents:
        assert "(wsgi.md)" in contents.read()
    for target in re.findall(r"\]\(([^)#]+)\)", page()):
        assert os.path.exists(os.path.join(ROOT, "docs", target)), target


def write() -> None:
    """Write the parts that are made by the tests."""
    text = page()
    for part, made in {"comparison": comparison_text(), "pitfalls": pitfalls_text(run_the_tests())}.items():
        begin, end = markers(part)
        before, _, rest = text.partition(begin)
        text = before + begin + made + end + rest.partition(end)[2]
    with open(PAGE, "w", encoding="utf-8") as target:
        target.write(text)


if __name__ == "__main__":
    write()
