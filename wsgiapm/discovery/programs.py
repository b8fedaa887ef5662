# SPDX-License-Identifier: Apache-2.0
"""What a process is, by its command line: which Python server or worker, and of which app.

Of a command line nothing else is ever passed on: it may hold passwords.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

_PYTHON = re.compile(r"(python|pypy)[\d.]*t?$")
_MODULE = re.compile(r"[A-Za-z_][\w.]*(:[A-Za-z_][\w.]*)?")
_FILE = re.compile(r"[\w./-]+\.(py|wsgi)")
_OPTIONS_WITH_VALUE: Final = frozenset({"-W", "-X", "--check-hash-based-pycs"})
_TITLE = re.compile(r"(gunicorn|rq|uWSGI|celeryd|mod_wsgi)\b|\[?celeryd|\(wsgi:")


class Program(NamedTuple):
    """A Python server or worker. `app` is its module and object, as far as the command line shows it and it is safe.

    `hooked`: it was started with the server hooks; `worker`: its title says that it runs the app, and others may not.
    """

    kind: str
    app: str = ""
    hooked: bool = False
    worker: bool = False


def recognise(argv: Sequence[str]) -> Program | None:
    """Return what a process runs; None when it is none of the programs that serve or work for a Python app."""
    if not argv or not argv[0]:
        return None
    titled = _recognise_title(argv[0])
    if titled is not None:
        return titled
    name, rest = _program(argv)
    kind = _KINDS.get(name)
    if kind is None:
        return _recognise_management(name, rest)
    if kind in ("celery", "rq") and "worker" not in rest:
        return None
    if kind == "flask" and "run" not in rest:
        return None
    return Program(kind, _find_app(kind, rest), any("wsgiapm.gunicorn_hooks" in word for word in rest))


def _recognise_title(title: str) -> Program | None:
    """Recognise a process that has given itself a title, as gunicorn does with setproctitle."""
    if not _TITLE.match(title):
        return None
    if title.startswith("gunicorn:"):
        named = re.search(r"\[([^\]]*)\]", title)
        return Program("gunicorn", _safe(named[1]) if named else "")
    if title.startswith("uWSGI "):
        return Program("uwsgi")
    if title.startswith("rq:"):
        return Program("rq")
    if title.startswith("(wsgi:"):
        return Program("mod_wsgi", worker=True)
    return Program("celery") if "celeryd" in title else None


def _program(argv: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return the name of what runs, without the interpreter before it, and its arguments."""
    name = os.path.basename(argv[0])
    if not _PYTHON.match(name):
        return name, argv[1:]
    at = 1
    while at < len(argv) and argv[at].startswith("-") and argv[at] != "-m":
        at += 2 if argv[at] in _OPTIONS_WITH_VALUE else 1
    if at < len(argv) and argv[at] == "-m":
        at += 1
    if at >= len(argv):
        return "", ()
    return os.path.basename(argv[at]), argv[at + 1 :]


_KINDS: Final = {
    "gunicorn": "gunicorn",
    "gunicorn_django": "gunicorn",
    "uwsgi": "uwsgi",
    "uwsgi-core": "uwsgi",
    "waitress-serve": "waitress",
    "waitress": "waitress",
    "mod_wsgi-express": "mod_wsgi",
    "celery": "celery",
    "rq": "rq",
    "flask": "flask",
    "uvicorn": "asgi",
    "hypercorn": "asgi",
    "daphne": "asgi",
}


def _recognise_management(name: str, rest: Sequence[str]) -> Program | None:
    """Recognise Django's own commands."""
    if name not in ("manage.py", "django-admin", "django"):
        return None
    if "runserver" in rest or "runserver_plus" in rest:
        return Program("runserver")
    if "rqworker" in rest:
        return Program("rq")
    return None


_APP_OPTIONS: Final = {
    "celery": ("-A", "--app"),
    "flask": ("-A", "--app"),
    "uwsgi": ("--module", "-w", "--wsgi", "--wsgi-file", "--file"),
}


def _find_app(kind: str, rest: Sequence[str]) -> str:
    options = _APP_OPTIONS.get(kind)
    if options is None:
        return _safe(rest[-1]) if rest and kind in ("asgi", "gunicorn", "waitress") else ""
    for word, following in zip(rest, [*rest[1:], ""], strict=True):
        for option in options:
            if word == option:
                return _safe(following)
            if word.startswith(f"{option}="):
                return _safe(word.removeprefix(f"{option}="))
    return ""


def _safe(text: str) -> str:
    """Return a module and object, or a file; empty for anything else, and without the arguments of a factory."""
    head, parenthesis, _ = text.partition("(")
    if _MODULE.fullmatch(head) or _FILE.fullmatch(head):
        return head + ("()" if parenthesis else "")
    return ""
