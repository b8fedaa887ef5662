# SPDX-License-Identifier: Apache-2.0
"""Statements as they are really sent: none of their literals survives, and each names its table."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from tests.sqlshape.corpus import RENTAL, TABLES, WAREHOUSE, statements
from wsgiapm.sqlshape import DIALECTS, shape

_NUMBER = re.compile(r"(?<![\w.@])\d")


def leftovers(text):
    """What of a shape's text may be a literal."""
    return [what for what in ("secret", "4242", "'") if what in text] + _NUMBER.findall(text)


@pytest.mark.parametrize("system", [*DIALECTS, "something_else"])
@pytest.mark.parametrize("corpus", [WAREHOUSE, RENTAL], ids=["warehouse", "rental"])
def test_no_literal_of_a_corpus_survives(corpus, system):
    """In whatever dialect it is read, and wherever it is cut off."""
    for statement in statements(corpus):
        assert leftovers(shape(statement, system).text) == [], statement
        for end in range(0, len(statement), 7):
            assert leftovers(shape(statement[:end], system).text) == [], statement[:end]


@pytest.mark.parametrize(
    ("corpus", "system", "name"), [(WAREHOUSE, "postgresql", "warehouse"), (RENTAL, "mysql", "rental")]
)
def test_each_statement_of_a_corpus_names_its_table(corpus, system, name):
    """The first one, as it is written."""
    assert [shape(statement, system).table for statement in statements(corpus)] == TABLES[name]


@pytest.mark.parametrize("corpus", [WAREHOUSE, RENTAL], ids=["warehouse", "rental"])
def test_other_literals_make_no_other_shape(corpus):
    """And other statements do."""
    fingerprints = set()
    for statement in statements(corpus):
        other = statement.replace("secret", "other").replace("42424242", "7")
        assert shape(other, "mysql").fingerprint == shape(statement, "mysql").fingerprint
        fingerprints.add(shape(statement, "mysql").fingerprint)

    assert len(fingerprints) == len(statements(corpus))


_DJANGO = """
import json, sys
import django
from django.conf import settings
apps = ["admin", "auth", "contenttypes", "sessions", "messages", "sites", "flatpages", "redirects"]
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=[f"django.contrib.{name}" for name in apps], SITE_ID=1, USE_TZ=True,
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
)
django.setup()
from django.core.management import call_command
from django.db import connection, models, transaction
from django.db.models import Case, Count, Exists, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Concat, Lower, TruncMonth
found = []
def keep(execute, sql, params, many, context):
    full = sql
    if params and not many:
        full = connection.ops.last_executed_query(context["cursor"], sql, params)
    found.append([sql, full])
    return execute(sql, params, many, context)
with connection.execute_wrapper(keep):
    call_command("migrate", verbosity=0)
    from django.contrib.auth.models import Group, Permission, User
    with transaction.atomic():
        users = [User(username=f"secret{n}", email="secret@example.org", password="secret'\\"--") for n in range(30)]
        User.objects.bulk_create(users)
        with transaction.atomic():
            Group.objects.create(name="secret /* group */")
    list(User.objects.filter(Q(username__icontains="secret%_") | ~Q(email__endswith="secret"), pk__in=range(4242, 4262)))
    list(User.objects.annotate(n=Count("groups")).filter(n__gt=4242).order_by("-n")[42421:42429])
    list(User.objects.annotate(x=Concat(Lower("username"), Value("secret"))).values("x").distinct())
    list(User.objects.annotate(m=TruncMonth("date_joined")).values("m").annotate(c=Count("id")))
    list(User.objects.filter(Exists(Group.objects.filter(user=OuterRef("pk"), name="secret"))))
    list(Permission.objects.select_related("content_type").prefetch_related("group_set").filter(codename__regex="secret.*"))
    User.objects.update(first_name=Case(When(pk__lt=4242, then=Value("secret")), default=F("username")))
    User.objects.filter(username="secret1").union(User.objects.filter(username="secret2")).count()
    User.objects.filter(username__startswith="secret").delete()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def of_django():
    """What Django sends: as it sends it, and with its parameters put in."""
    done = subprocess.run([sys.executable, "-c", _DJANGO], capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_nothing_that_django_sends_keeps_a_literal(of_django):
    """Not as it sends it, and not with its parameters put in."""
    assert len(of_django) > 200
    for sql, full in of_django:
        for text in (sql, full):
            if text is not None:
                assert leftovers(shape(text, "sqlite").text) == [], text


def test_parameters_make_no_other_shape(of_django):
    """Sent beside the statement or within, it is the same one; but NULL is a word of the language, and no literal."""
    compared = [(s, full) for s, full in of_django if full and full != s and full.count("NULL") == s.count("NULL")]

    assert len(compared) > 50
    for sql, full in compared:
        assert shape(sql, "sqlite").fingerprint == shape(full, "sqlite").fingerprint, (sql, full)
