# SPDX-License-Identifier: Apache-2.0
"""The ways to switch the agent on by a line or two, as docs/switching-on.md has them."""

from __future__ import annotations

import os
import re

import pytest

from tests.entry.conftest import APPS
from tests.entry.test_servers import GUNICORN, SITE, UWSGI_, needs_uwsgi
from tests.servers.conftest import ROOT

START = {"START": "1"}


def test_start_in_a_flask_app(serve, count_walks):
    """`wsgiapm.start()` behind the app, under any server: here gunicorn, without our hooks."""
    _, client = serve(*GUNICORN, "flasked:app", env=START, through=False)
    count_walks(client, "/walks/<int:pk>")


def test_start_in_djangos_settings(serve, count_walks):
    """`wsgiapm.start()` in settings.py, which is loaded while the app is made."""
    _, client = serve(*GUNICORN, "project.wsgi", cwd=SITE, env=START, through=False)
    count_walks(client, "/walks/<int:pk>/", path="/walks/{}/")


@needs_uwsgi
def test_start_under_uwsgi(serve, count_walks):
    """Also where the app is called by C."""
    options = ["--wsgi-file=project/wsgi.py", f"--pythonpath={SITE}"]
    _, client = serve(*UWSGI_, *options, cwd=SITE, env=START, through=False)
    count_walks(client, "/walks/<int:pk>/", path="/walks/{}/")


@pytest.mark.parametrize("way", ["run-program", "hooks"])
def test_start_and_something_else(serve, count_walks, way):
    """Every request is one transaction, however many ways the agent came in."""
    hooks = ["--config=python:wsgiapm.gunicorn_hooks"] if way == "hooks" else []
    _, client = serve(*GUNICORN, *hooks, "flasked:app", env=START, through=way == "run-program")
    count_walks(client, "/walks/<int:pk>")


def test_a_gunicorn_configuration_of_two_lines(serve, count_walks, tmp_path):
    """Those of the documentation: no change to the app, nothing on the command line."""
    with open(os.path.join(ROOT, "docs", "switching-on.md"), encoding="utf-8") as page:
        text = re.search(r"```python\n# gunicorn\.conf\.py\n(.*?)```", page.read(), re.DOTALL)[1]
    assert len(text.split("\n\n")) == 2
    (tmp_path / "gunicorn.conf.py").write_text(text)
    _, client = serve(*GUNICORN, "flasked:app", cwd=tmp_path, through=False, env={"PYTHONPATH": f"{ROOT}:{APPS}"})
    count_walks(client, "/walks/<int:pk>")


def test_keywords_of_start_hold_for_an_app_that_is_wrapped(serve, counts, tmp_path, wait_until):
    """What the app says of itself counts, whoever has its app in hand."""
    explicit = type(counts)(str(tmp_path / "explicit"))
    (tmp_path / "named.py").write_text(
        f"import wsgiapm\nfrom plain import app\nwsgiapm.start(shared_dir={explicit.path!r}, app_name='shop')\n"
    )
    path = f"{ROOT}:{APPS}:{tmp_path}"
    _, client = serve(*GUNICORN, "named:app", env={"PYTHONPATH": path})
    for _ in range(5):
        assert client.get("/walks/1")[0] == 200
    wait_until(lambda: explicit.total >= 5, "all are counted")
    assert explicit.requests == {("/walks/*", 200): 5}
    assert counts.total == 0
