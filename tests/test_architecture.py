# SPDX-License-Identifier: Apache-2.0
"""The rules of docs/architecture.md that neither ruff nor import-linter can check."""

from __future__ import annotations

import ast
import os
import re
import sys
from functools import cache
from typing import NamedTuple

import pytest
from importlinter.api import read_configuration

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PACKAGE = os.path.join(ROOT, "wsgiapm")

LONGEST_MODULE = 300
LONGEST_FUNCTION = 50
GATES = {
    "wsgiapm/agent.py",
    "wsgiapm/background.py",  # the middleware of what is no request
    "wsgiapm/bootstrap/sitecustomize.py",
    "wsgiapm/body.py",  # part of the middleware's gate
    "wsgiapm/ending.py",  # the same
    "wsgiapm/explain.py",  # what a database driver raises is its own
    "wsgiapm/entry/gate.py",  # part of the bootstrap's gate
    "wsgiapm/harvest.py",
    "wsgiapm/instruments/_calls.py",
    "wsgiapm/instruments/_dbapi.py",  # makes classes below the app's own, which may refuse that
    "wsgiapm/instruments/_leaves.py",
    "wsgiapm/instruments/_outgoing.py",
    "wsgiapm/instruments/_patch.py",
    "wsgiapm/middleware.py",
    "wsgiapm/special_paths.py",  # answers in place of the app: part of the middleware's gate
}
MEANINGLESS_NAMES = {"base", "common", "helpers", "manager", "misc", "tools", "util", "utils"}

# What the agent may need of others: its own three dependencies, and what is certainly there when it is used.
DEPENDENCIES = {"psutil", "requests", "wrapt"}
PRESENT_WHEN_USED = {"django", "flask", "gevent", "gunicorn", "uwsgi", "urllib3"}

CONTRACTS = {contract["name"]: contract for contract in read_configuration()["contracts_options"]}
WORKER_SIDE = set(CONTRACTS["The worker never knows the server"]["source_modules"])
SERVER_SIDE = set(CONTRACTS["The worker never knows the server"]["forbidden_modules"])
# Either end may use these: values, names and formulas, and the roots above both.
BOTH_SIDES = {
    f"wsgiapm.{name}"
    for name in (
        "__main__",
        "cli",
        "clock",
        "config",
        "errors",
        "log",
        "named_tuple",
        "native",
        "operation_digest",
        "otlp",
        "version",
    )
}


class Module(NamedTuple):
    """A module of the package."""

    path: str
    text: str
    tree: ast.Module


@cache
def modules() -> tuple[Module, ...]:
    """Every module of the package."""
    found = []
    for directory, _, files in os.walk(PACKAGE):
        for name in files:
            if name.endswith(".py"):
                path = os.path.join(directory, name)
                with open(path, encoding="utf-8") as source:
                    text = source.read()
                found.append(Module(os.path.relpath(path, ROOT), text, ast.parse(text)))
    return tuple(sorted(found))


def each_module(test):
    """Run a test for every module of the package."""
    return pytest.mark.parametrize("module", modules(), ids=lambda module: module.path)(test)


def functions(tree: ast.Module) -> list[ast.FunctionDef]:
    """Every function and method."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


@each_module
def test_a_module_says_its_licence_and_what_it_owns(module):
    """The first line is the licence, then comes a docstring."""
    assert module.text.startswith("# SPDX-License-Identifier: Apache-2.0\n")
    assert ast.get_docstring(module.tree)


@each_module
def test_a_module_is_small(module):
    """No module is longer than can be read in one go."""
    assert module.text.count("\n") <= LONGEST_MODULE


@each_module
def test_a_function_is_short(module):
    """No function is longer than a screen; a long one is two."""
    long = [f.name for f in functions(module.tree) if (f.end_lineno or 0) - f.lineno + 1 > LONGEST_FUNCTION]

    assert long == []


@each_module
def test_a_module_has_a_name_that_means_something(module):
    """What has no name of its own has no place of its own."""
    words = set(re.split(r"[/._]", module.path))

    assert not words & MEANINGLESS_NAMES


@each_module
def test_anything_at_all_is_caught_only_at_the_gates(module):
    """The fear of breaking the user's app belongs to a few places, and no comment opens another."""
    broad = [node.lineno for node in ast.walk(module.tree) if isinstance(node, ast.ExceptHandler) and _is_broad(node)]

    assert module.path in GATES or broad == []


def _is_broad(handler: ast.ExceptHandler) -> bool:
    if isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None:
        return False  # it tidies up, and passes on what it caught
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        one is None or (isinstance(one, ast.Name) and one.id in {"Exception", "BaseException"}) for one in caught
    )


def top_level() -> set[str]:
    """The modules and packages directly in wsgiapm."""
    parts = {module.path.removesuffix(".py").split(os.sep)[1] for module in modules()}
    return {f"wsgiapm.{part}" for part in parts - {"__init__"}}


def test_every_module_has_a_side():
    """The contracts that keep worker and server apart name every module: a new one has to choose."""
    assert top_level() <= WORKER_SIDE | SERVER_SIDE | BOTH_SIDES
    assert not WORKER_SIDE & SERVER_SIDE
    assert not BOTH_SIDES & (WORKER_SIDE | SERVER_SIDE)


@each_module
def test_the_agent_needs_nothing_of_others_but_its_three_dependencies(module):
    """Whatever the worker's side imports is ours, the standard library's, or one of the three."""
    top = "wsgiapm." + module.path.removesuffix(".py").split(os.sep)[1]
    ours = top not in SERVER_SIDE and not module.path.startswith(os.path.join("wsgiapm", "cli"))
    allowed = sys.stdlib_module_names | {"wsgiapm"} | DEPENDENCIES | PRESENT_WHEN_USED

    assert not ours or _imported(module.tree) <= allowed


def _imported(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def test_every_test_says_what_it_is_about():
    """A test states the behaviour it guards in its docstring."""
    silent = []
    for directory, _, files in os.walk(os.path.join(ROOT, "tests")):
        for name in files:
            if name.startswith("test_") and name.endswith(".py"):
                path = os.path.join(directory, name)
                with open(path, encoding="utf-8") as source:
                    tree = ast.parse(source.read())
                tests = [f for f in functions(tree) if f.name.startswith("test_")]
                silent += [f"{os.path.relpath(path, ROOT)}: {f.name}" for f in tests if not ast.get_docstring(f)]

    assert silent == []
