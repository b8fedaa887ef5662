# SPDX-License-Identifier: Apache-2.0
"""Where the value of a setting comes from."""

from __future__ import annotations

import subprocess
import sys

import pytest

from wsgiapm.config import OPTIONS, Settings, resolve


@pytest.fixture
def ini(tmp_path):
    """A function that writes a config file and returns its path."""

    def write(text):
        path = tmp_path / "wsgiapm.ini"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_without_anything_the_defaults_hold():
    """Nothing has to be set."""
    resolved = resolve(environ={})
    assert resolved.settings == Settings()
    assert set(resolved.origins.values()) == {"default"}
    assert resolved.origins.keys() == OPTIONS.keys()
    assert resolved.problems == ()


def test_every_default_is_a_value_its_kind_accepts():
    """What generate-config writes as the default is read back as the default."""
    for option in OPTIONS.values():
        if option.default_text:
            assert option.kind.parse(option.default_text) == option.default, option.name


def test_the_layers_in_their_order(ini):
    """Keyword before environment before file before default, each with its origin."""
    path = ini("[wsgiapm]\napp_name = file\ninstance_name = file\nendpoint = http://file\n")
    environ = {"WSGIAPM_CONFIG_FILE": path, "WSGIAPM_APP_NAME": "env", "WSGIAPM_INSTANCE_NAME": "env"}
    settings, origins, problems = resolve({"app_name": "keyword"}, environ)
    assert (settings.app_name, settings.instance_name, settings.endpoint) == ("keyword", "env", "http://file")
    assert origins["app_name"] == "keyword"
    assert origins["instance_name"] == "environment WSGIAPM_INSTANCE_NAME"
    assert origins["endpoint"] == f"file {path} [wsgiapm]"
    assert origins["apdex_t"] == "default"
    assert problems == ()


def test_the_process_s_environment_is_read(monkeypatch):
    """When none is given."""
    monkeypatch.setenv("WSGIAPM_APDEX_T", "250ms")
    assert resolve().settings.apdex_t == 0.25


def test_the_section_of_the_environment_goes_before_the_main_one(ini):
    """And brings its own origin; another environment's section does not count."""
    path = ini("[wsgiapm]\napdex_t = 1\nmax_series = 5\n[wsgiapm:prod]\napdex_t = 2\n[wsgiapm:test]\napdex_t = 3\n")
    settings, origins, problems = resolve(environ={"WSGIAPM_ENVIRONMENT": "prod"}, file=path)
    assert (settings.apdex_t, settings.max_series) == (2.0, 5)
    assert origins["apdex_t"] == f"file {path} [wsgiapm:prod]"
    assert problems == ()


@pytest.mark.parametrize("where", ["keyword", "file"])
def test_the_environment_may_be_named_elsewhere(ini, where):
    """By a keyword, or in the main section of the file."""
    line = "environment = prod\n" if where == "file" else ""
    path = ini(f"[wsgiapm]\n{line}[wsgiapm:prod]\napdex_t = 2\n")
    resolved = resolve({"environment": "prod"} if where == "keyword" else {}, {}, path)
    assert resolved.settings.apdex_t == 2.0
    assert resolved.settings.environment == "prod"


def test_a_given_file_goes_before_the_variable(ini):
    """As `check-config FILE` needs it."""
    path = ini("[wsgiapm]\n")
    assert resolve(environ={"WSGIAPM_CONFIG_FILE": "/nonexistent"}, file=path).problems == ()


def test_an_unknown_keyword_is_a_type_error():
    """As with any function; the likely name is told."""
    with pytest.raises(TypeError, match=r"no setting 'apdex' \(did you mean apdex_t\?\)"):
        resolve({"apdex": 1}, {})


def test_a_keyword_that_is_none_is_not_given():
    """license_key=os.environ.get(…) does not hide the other layers."""
    resolved = resolve({"app_name": None}, {"WSGIAPM_APP_NAME": "env"})
    assert resolved.settings.app_name == "env"


@pytest.mark.parametrize("name", ["APDEX", "apdex_t", "APP-NAME"])
def test_an_unknown_variable_is_a_problem_without_its_value(name):
    """It may be a secret under a misspelt name."""
    resolved = resolve(environ={f"WSGIAPM_{name}": "hush"})
    (problem,) = resolved.problems
    assert f"environment WSGIAPM_{name}" in problem.message
    assert "hush" not in repr(problem)
    assert resolved.settings == Settings()


def test_a_bad_value_is_a_problem_and_the_default_holds():
    """The message has what was found, where, what is expected and what happens."""
    resolved = resolve({}, {"WSGIAPM_APDEX_T": "soon"})
    (problem,) = resolved.problems
    assert (problem.name, problem.value, problem.origin) == ("apdex_t", "soon", "environment WSGIAPM_APDEX_T")
    assert str(problem) == problem.message
    assert problem.message == (
        "apdex_t is 'soon' (environment WSGIAPM_APDEX_T): must be a duration such as 500ms, 2s, 1m or 30d "
        "(units us, ms, s, m, h, d); the default is used: 500ms"
    )
    assert resolved.settings.apdex_t == 0.5
    assert resolved.origins["apdex_t"] == "default"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("enabled", "perhaps"), ("app_name", "a\nb"), ("endpoint", "host:4318"), ("headers", "x"), ("harvest_interval", "999ms"),
        ("harvest_mode", "process"), ("shared_dir", "relative"), ("shared_max_bytes", "32"), ("spool_dir", "~/x"),
        ("spool_max_bytes", "-1"), ("max_series", "0"), ("apdex_t", "0"), ("slow_threshold", "-1t"), ("error_status", "5xx"),
        ("trace_sample", "0.1"), ("trace_bytes_per_minute", "1M"), ("record_sql", "all"), ("ignore_paths", "health"),
        ("metrics_path", "metrics"), ("proxy", "socks5://host"), ("ca_file", "/nonexistent.pem"), ("log_level", "loud"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("layer", ["keyword", "environment", "file"])
def test_bad_values_in_every_layer(name, value, layer, ini):
    """Each setting refuses what it cannot mean, wherever it is given, and names its place."""
    keywords = {name: value} if layer == "keyword" else {}
    environ = {OPTIONS[name].variable: value} if layer == "environment" else {}
    file = ini(f"[wsgiapm]\n\n{name} = {value}".replace("a\nb", "a\x07b")) if layer == "file" else None
    resolved = resolve(keywords, environ, file)
    (problem,) = resolved.problems
    assert problem.name == name
    assert problem.origin.startswith(layer)
    assert layer != "file" or problem.origin.endswith("wsgiapm.ini [wsgiapm], line 3")
    assert resolved.settings == Settings()


@pytest.mark.parametrize("name", ["license_key", "metrics_token", "headers", "endpoint", "proxy"])
def test_no_problem_tells_a_secret(name):
    """Nor does the repr of the settings."""
    resolved = resolve({}, {OPTIONS[name].variable: "ftp://me:hush hush@x"})
    assert resolved.problems
    assert "hush" not in repr(resolved)


def test_the_repr_of_good_settings_tells_no_secret():
    """They may land in a traceback."""
    given = {"license_key": "hush", "metrics_token": "hush", "headers": "a=hush", "proxy": "http://u:hush@proxy"}
    resolved = resolve(given, {})
    assert resolved.problems == ()
    assert "hush" not in repr(resolved)


@pytest.mark.parametrize("name", ["apdex_t", "enabled", "max_series", "harvest_mode", "app_name", "shared_max_bytes"])
def test_an_empty_text_is_no_value_for_what_cannot_be_empty(name, ini):
    """As compose files pass variables that are not set."""
    assert resolve(environ={OPTIONS[name].variable: ""}).settings == Settings()
    assert resolve(environ={OPTIONS[name].variable: ""}).problems == ()
    assert resolve(environ={}, file=ini(f"[wsgiapm]\n{name} =\n")).problems == ()


def test_an_empty_endpoint_is_a_value():
    """It means no upload."""
    resolved = resolve(environ={"WSGIAPM_ENDPOINT": ""})
    assert resolved.settings.endpoint == ""
    assert resolved.origins["endpoint"] == "environment WSGIAPM_ENDPOINT"


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({"slow_threshold": "4t"}, 2.0),
        ({"slow_threshold": "4t", "apdex_t": "300ms"}, 1.2),
        ({"slow_threshold": "2.5T", "apdex_t": 2}, 5.0),
        ({"slow_threshold": "4t", "apdex_t": "bad"}, 2.0),
        ({"slow_threshold": 3}, 3.0),
    ],
    ids=str,
)
def test_the_slow_threshold_follows_the_apdex_t(given, seconds):
    """4t is four times the T in force, wherever that comes from."""
    assert resolve(given, {}).settings.slow_threshold == pytest.approx(seconds, rel=1e-12)


def test_values_of_python_are_taken_as_keywords():
    """Numbers, booleans, sequences and mappings need no quotes."""
    given = {"enabled": False, "apdex_t": 0.3, "error_status": [404], "ignore_paths": ["/a"], "headers": {"X-A": "b"}}
    settings, _, problems = resolve(given, {})
    assert problems == ()
    assert settings.enabled is False
    assert settings.apdex_t == 0.3
    assert settings.error_status == ((404, 404),)
    assert settings.ignore_paths == ("/a",)
    assert settings.headers == (("X-A", "b"),)


@pytest.mark.parametrize(
    "keyword", [{"apdex_t": True}, {"apdex_t": float("nan")}, {"max_series": 1.5}, {"enabled": object()}]
)
def test_other_values_of_python_are_problems(keyword):
    """They raise nothing in the user's process."""
    assert [problem.name for problem in resolve(keyword, {}).problems] == list(keyword)


def test_resolve_imports_nothing_heavy():
    """It runs at the start of every worker."""
    code = (
        "import sys; before = set(sys.modules); from wsgiapm.config import resolve; resolve();"
        "print(*sorted(set(sys.modules) - before))"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    heavy = {
        "argparse",
        "asyncio",
        "configparser",
        "difflib",
        "http",
        "logging",
        "requests",
        "socket",
        "ssl",
        "tempfile",
    }
    assert heavy & set(ran.stdout.split()) == set()
    assert "wsgiapm.config.layers" in ran.stdout
