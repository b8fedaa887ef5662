# SPDX-License-Identifier: Apache-2.0
"""docs/verify.md names everything that `wsgiapm verify` may say."""

from __future__ import annotations

import os
import re
from collections import Counter

from wsgiapm.access_log import reconciliation
from wsgiapm.access_log.books import Books
from wsgiapm.access_log.formats import USUAL_NAMES
from wsgiapm.access_log.reconciliation import Explanation, Row, Sizes, reconcile
from wsgiapm.access_log.route_finder import RouteFinder
from wsgiapm.access_log.tally import Tally
from wsgiapm.access_log.verification import Verification

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def page() -> str:
    """The page as it is."""
    with open(os.path.join(ROOT, "docs", "verify.md"), encoding="utf-8") as text:
        return text.read()


def test_every_explanation_is_in_the_table() -> None:
    """Each id has its line, and no other is there."""
    with open(reconciliation.__file__, encoding="utf-8") as source:
        found = re.findall(r'(?:pair|explain|explain_ours)\(\s*"([a-z-]+)"|\("([a-z-]+)", tally', source.read())
    given = {first or second for first, second in found}
    table = page().partition("## What is explained")[2].partition("\n\nWhether")[0]

    assert len(given) > 10
    named = " ".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE))
    assert set(re.findall(r"`([a-z-]+)`", named)) == given


def test_the_shape_of_the_json_is_as_documented() -> None:
    """Every key of the answer stands on the page."""
    tally = Tally(RouteFinder([]))
    books = Books(Counter(), Counter(), Counter(), Counter(), 0.0, 1.0)
    answer = Verification(tally, books, reconcile(tally, books, books, set()), []).as_json()
    keys = {*answer, *answer["log"], *answer["window"], *Row._fields, *Sizes._fields, *Explanation._fields}
    shape = page().partition("## `--json`")[2]

    assert [key for key in sorted(keys) if f'"{key}"' not in shape] == []


def test_the_names_of_formats_are_on_the_page() -> None:
    """Whatever --format takes by name."""
    assert [name for name in USUAL_NAMES if name != "auto" and name not in page().lower()] == []
