# SPDX-License-Identifier: Apache-2.0
"""Command lines, and configurations of nginx."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsgiapm.discovery.nginx import config_path, read_config
from wsgiapm.discovery.programs import recognise


@pytest.mark.parametrize(
    ("argv", "kind", "app"),
    [
        (["/v/bin/python3.11", "/v/bin/gunicorn", "-b", ":80", "shop.wsgi"], "gunicorn", "shop.wsgi"),
        (["python", "-X", "dev", "-m", "gunicorn", "shop.wsgi:app"], "gunicorn", "shop.wsgi:app"),
        (["gunicorn: worker [shop.wsgi:app]"], "gunicorn", "shop.wsgi:app"),
        (["gunicorn: master [pass word=x]"], "gunicorn", ""),
        (["/usr/bin/uwsgi", "--module=shop.wsgi", "--ini", "x.ini"], "uwsgi", "shop.wsgi"),
        (["uWSGI worker 1"], "uwsgi", ""),
        (["(wsgi:shop)", "-k", "start"], "mod_wsgi", ""),
        (["/v/bin/python", "/v/bin/celery", "--app=shop", "worker"], "celery", "shop"),
        (["python", "-m", "celery", "-A", "shop.celery:app", "worker"], "celery", "shop.celery:app"),
        (["[celeryd: celery@host:MainProcess]", "-A"], "celery", ""),
        (["python", "/v/bin/rq", "worker", "default"], "rq", ""),
        (["python", "manage.py", "rqworker"], "rq", ""),
        (["python3", "manage.py", "runserver", "8000"], "runserver", ""),
        (["python", "/v/bin/flask", "--app", "shop", "run"], "flask", "shop"),
        (["/v/bin/python", "/v/bin/waitress-serve", "--port=80", "shop:app"], "waitress", "shop:app"),
        (["/v/bin/python", "/v/bin/uvicorn", "shop.asgi:app"], "asgi", "shop.asgi:app"),
    ],
)
def test_servers_and_workers(argv: list[str], kind: str, app: str) -> None:
    """They are known by what they were started as, or by the title they have given themselves."""
    program = recognise(argv)

    assert program is not None
    assert (program.kind, program.app) == (kind, app)


@pytest.mark.parametrize(
    "argv",
    [
        [],
        [""],
        ["bash", "-c", "gunicorn shop"],
        ["vim", "gunicorn.py"],
        ["python", "manage.py", "migrate"],
        ["python", "-c", "import gunicorn"],
        ["celery", "-A", "x", "beat"],
        ["rq", "info"],
        ["flask", "shell"],
        ["python"],
        ["python", "-m"],
    ],
)
def test_everything_else(argv: list[str]) -> None:
    """What serves nothing is not listed."""
    assert recognise(argv) is None


def test_hooks_are_seen_on_the_command_line() -> None:
    """Who has the hooks is not told to add them."""
    program = recognise(["gunicorn", "-c", "python:wsgiapm.gunicorn_hooks", "shop"])

    assert program is not None
    assert program.hooked


def test_a_configuration_of_nginx(tmp_path: Path) -> None:
    """Comments, quotes, includes and blocks within blocks; a file that cannot be read is named."""
    (tmp_path / "more.conf").write_text('proxy_set_header "X-Request-Start" "t=${msec}";', encoding="utf-8")
    (tmp_path / "nginx.conf").write_text(
        "upstream a { server unix:/run/a.sock fail_timeout=0; } # proxy_pass http://no;\n"
        'server { location / { if ($x = "}") { return 400; } proxy_pass http://a; } }\n'
        "location /u { uwsgi_pass 127.0.0.1:3031; }\ninclude more.conf;\ninclude /no/such/*.conf;",
        encoding="utf-8",
    )

    config = read_config(str(tmp_path / "nginx.conf"))

    assert config.upstreams == {"a": ["unix:/run/a.sock"]}
    assert config.targets == [("http", "http://a"), ("uwsgi", "127.0.0.1:3031")]
    assert config.headers == ["x-request-start"]
    assert read_config(str(tmp_path / "none.conf")).unread == [str(tmp_path / "none.conf")]


@pytest.mark.parametrize(
    ("argv", "path"),
    [
        (["nginx"], "/etc/nginx/nginx.conf"),
        (["nginx", "-c", "/x/y.conf"], "/x/y.conf"),
        (["nginx", "-p", "/x/", "-c", "y.conf"], "/x/y.conf"),
    ],
)
def test_where_the_configuration_of_nginx_is(argv: list[str], path: str) -> None:
    """As its command line says."""
    assert config_path(argv) == path
