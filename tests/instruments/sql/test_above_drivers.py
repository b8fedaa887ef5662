# SPDX-License-Identifier: Apache-2.0
"""What is above the drivers: Django, SQLAlchemy, and gevent workers. Every statement counts once, with the driver."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest
import sqlalchemy
from sqlalchemy import create_engine, text

_DJANGO = """
import json, sys
from tests.instruments.recording import Recording
from wsgiapm import instruments
instruments.install((), lambda: sys.exit("failed"))
import django
from django.conf import settings
settings.configure(DATABASES=json.loads(sys.argv[1]), INSTALLED_APPS=["django.contrib.contenttypes"])
django.setup()
from django.core.management import call_command
from django.db import connections, transaction
from django.contrib.contenttypes.models import ContentType
recording, counted = Recording(), []
for alias in settings.DATABASES:
    call_command("migrate", database=alias, verbosity=0)
    connections[alias].close()
    with recording.transaction():
        with transaction.atomic(using=alias):
            ContentType.objects.using(alias).create(app_label="shop", model="walk")
        list(ContentType.objects.using(alias).filter(model="walk").iterator(chunk_size=1))
        connections[alias].close()
    calls = recording.take()
    counted.append([alias, [[c.name, c.attributes.get("wsgiapm.db.alias"), c.attributes["db.system.name"]] for c in calls]])
print(json.dumps(counted))
"""


def _python(code, *arguments):
    """What a fresh interpreter prints last, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def databases(mariadb, postgresql, tmp_path):
    """Django's settings for three servers; MySQLdb is PyMySQL or mysqlclient, as is there."""

    def of(engine, database):
        return {
            "ENGINE": f"django.db.backends.{engine}", "NAME": database.name, "USER": database.user,
            "PASSWORD": database.password, "HOST": database.host, "PORT": str(database.port),
        }  # fmt: skip

    return {
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "walks.db")},
        "maria": of("mysql", mariadb),
        "postgres": of("postgresql", postgresql),
    }


def test_django_is_counted_once_and_tells_its_alias(databases):
    """Each statement of its, by whatever driver, and what it sends to open and end a transaction."""
    pytest.importorskip("MySQLdb", reason="Django needs mysqlclient: `make packages setup`")
    found = dict(_python(_DJANGO, json.dumps(databases)))

    systems = {"default": "sqlite", "maria": "mysql", "postgres": "postgresql"}
    for alias, calls in found.items():
        names = Counter(name for name, _, _ in calls)
        assert names["INSERT django_content_type"] == 1, calls
        assert names["SELECT django_content_type"] == 1, calls
        assert names["CONNECT"] == 1, calls
        assert names["COMMIT"] == 1, calls
        assert {(known, system) for _, known, system in calls} == {(alias, systems[alias])}


@pytest.mark.parametrize("driver", ["sqlite", "mysql+pymysql", "postgresql+psycopg2", "postgresql+psycopg"])
def test_sqlalchemy_is_counted_once(recording, request, driver):
    """Over whichever driver, with its pool."""
    if driver == "sqlite":
        engine = create_engine("sqlite://", poolclass=sqlalchemy.pool.StaticPool)
    else:
        database = request.getfixturevalue("mariadb" if driver.startswith("mysql") else "postgresql")
        engine = create_engine(
            f"{driver}://{database.user}:{database.password}@{database.host}:{database.port}/{database.name}"
        )
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS peaks"))
    recording.take()
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE peaks (name VARCHAR(20))"))
        connection.execute(text("INSERT INTO peaks VALUES (:name)"), [{"name": "a"}, {"name": "b"}])
    with engine.connect() as connection:
        assert connection.execute(text("SELECT COUNT(*) FROM peaks")).scalar() == 2
    engine.dispose()

    found = recording.counts()
    assert found.pop("ROLLBACK") == 2  # of each connection, as it goes back into the pool
    assert found == Counter({"CREATE peaks": 1, "INSERT peaks": 1, "COMMIT": 1, "SELECT peaks": 1})


_GREENLETS = """
import gevent.monkey
gevent.monkey.patch_all()
import json, sys
import gevent
from tests.instruments.recording import Recording
from wsgiapm import instruments
from wsgiapm.span import DB
instruments.install((), lambda: sys.exit("failed"))
import pymysql
database = json.loads(sys.argv[1])
database["database"] = database.pop("name")
del database["socket"]
def work(number):
    recording = Recording()
    with recording.transaction() as transaction:
        connection = pymysql.connect(**database)
        with connection.cursor() as cursor:
            for _ in range(number + 1):
                cursor.execute("SELECT SLEEP(0.05)")
        connection.close()
    return [call.name for call in recording.calls], min(c.nanoseconds for c in recording.calls if c.name == "SELECT")
jobs = [gevent.spawn(work, number) for number in range(6)]
gevent.joinall(jobs)
print(json.dumps([job.value for job in jobs]))
"""


def test_greenlets_do_not_mix(mariadb):
    """Six transactions at once in one thread: each has its own calls, and its own time, while the others wait."""
    found = _python(_GREENLETS, json.dumps(mariadb._asdict()))

    for number, (names, shortest) in enumerate(found):
        assert names == ["CONNECT", *["SELECT"] * (number + 1)]
        assert shortest >= 50e6
