# SPDX-License-Identifier: Apache-2.0
"""The table of instruments, and switching them on.

An instrument is a module of this package that is data: `MODULE` is the library's, `VERSIONS` those it is made for,
`RECORDS` says what it records, `PATCHES` is how; `DISTRIBUTION` is the library's name on PyPI, where that is another
one. It is imported when its library is.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from functools import partial
from importlib import import_module
from typing import Final

from wsgiapm.instruments import _patch, _record_sql
from wsgiapm.instruments._news import News
from wsgiapm.instruments._patch import Failed

TABLE: Final = {
    "bottle": "bottle",
    "cherrypy": "cherrypy",
    "django": "django",
    "django_db": "django",
    "falcon": "falcon",
    "flask": "flask",
    "http_client": "http.client",
    "httpcore": "httpcore",
    "httpx": "httpx",
    "jinja2": "jinja2",
    "mako": "mako",
    "mysql_connector": "mysql.connector",
    "mysqlclient": "MySQLdb",
    "oracledb": "oracledb",
    "psycopg": "psycopg",
    "psycopg2": "psycopg2",
    "pylibmc": "pylibmc",
    "pymemcache": "pymemcache",
    "pymongo": "pymongo",
    "pymysql": "pymysql",
    "pyramid": "pyramid",
    "python_memcached": "memcache",
    "redis": "redis",
    "requests": "requests",
    "sqlite3": "sqlite3",
    "urllib3": "urllib3",
}
"""The library's module by the instrument's name, which is also that of its module here."""

_news = News()
# Those that are on before it is known whether they are wanted.
_early: set[str] = set()


def install_early(disabled: Collection[str], failed: Failed) -> None:
    """Install before an agent starts: a connection that the app opens while it is imported is recorded later, too.

    `disabled` are those known not to be wanted. What `install` is then told is disabled is taken away.
    """
    for name, library in TABLE.items():
        if name not in disabled:
            _early.add(name)
            _patch.when_imported(library, partial(_install_early, name, failed), failed)


def _install_early(name: str, failed: Failed) -> None:
    if name in _early:
        _install(name, failed)


def install(disabled: Collection[str], failed: Failed, record_sql: str = "obfuscated") -> None:
    """Install every instrument that is not disabled, each when its library is first imported.

    `failed` is called while an exception is being handled that an instrument raised. `record_sql` is the setting.
    """
    _record_sql.configure(record_sql)
    for name, library in TABLE.items():
        if name not in disabled:
            _early.discard(name)
            _patch.when_imported(library, partial(_install, name, failed), failed)
        elif name in _early:
            _take_away(name)


def uninstall_early() -> None:
    """Take away what has been installed early and was not wanted since."""
    for name in sorted(_early):
        _take_away(name)


def _take_away(name: str) -> None:
    _early.discard(name)
    instrument = sys.modules.get(f"{__name__}.{name}")
    if instrument is not None:
        _patch.take_away(instrument.PATCHES)
        _news.withdraw(name)


def _install(name: str, failed: Failed) -> None:
    instrument = import_module(f"wsgiapm.instruments.{name}")
    _patch.install(instrument.PATCHES, failed, partial(_news.admit, name, instrument))


def announce(*, aloud: bool) -> None:
    """Write into the log which instrument is on for which library, of which version, from which file.

    One worker is to say it `aloud`: the others have the same to say, and do so on level DEBUG.
    """
    _news.announce(aloud=aloud)


def uninstall() -> None:
    """Undo everything that was installed."""
    _early.clear()
    _patch.undo()
    _news.forget()
    _record_sql.forget()
