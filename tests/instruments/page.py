# SPDX-License-Identifier: Apache-2.0
"""docs/instruments.md, made from the table of instruments: `python -m tests.instruments.page > docs/instruments.md`."""

from __future__ import annotations

import sys
from importlib import import_module

from wsgiapm import instruments

_HEAD = """# Instruments

What is recorded of the libraries an app uses. Nothing has to be switched on: an instrument is installed when its library is imported, before or
after the agent starts, and none imports its library itself. `disabled_instruments = jinja2, sqlite3` leaves libraries alone, by the names of this
table: then nothing is patched.

| instrument | library | versions | what it records |
|---|---|---|---|
"""

_TAIL = """
This table is made from the instruments themselves (`python -m tests.instruments.page > docs/instruments.md`); a test compares them.

## Names of transactions

`http.route`, which is the transaction's name, is the framework's template with a leading slash and everything that stands before it: SCRIPT_NAME,
blueprints, includes, mounted apps. Whoever names a transaction first is right: the app itself (`current_transaction().name = …`), or the
framework around another one. The view is kept beside it, as the function or class it is; its dotted name is made when somebody asks for it.

- A view that raises a 404 keeps its route: the framework had found one. A 404 without a route is `(not found)`.
- Files that a framework serves from a directory are `(static)`: `django.contrib.staticfiles`, Flask's `static` endpoints, Pyramid's static views,
  Falcon's static routes, CherryPy's `staticdir`.
- What a middleware answers before a route was looked for, what a Falcon sink takes, what Pyramid finds by traversal and what another WSGI app that
  is mounted answers has no template: the first two segments of the path, ids folded.
- CherryPy has no templates: the route is the path to the handler, and whatever the handler is given of the path is one `*`.
- Django's regular expressions are made readable: `^walks/(?P<pk>[0-9]+)/$` is `/walks/<pk>/`.

## Templates

The time of a template is its own: what it includes, and what the database does for it, is theirs. Of Django's and Jinja2's `{% extends %}` the
template that extends has the time, for the blocks are its own. A template made of a string is `(string)`; after 1,000 names, `(other)`.
A Jinja2 stream (`generate`, `stream`, Flask's `stream_template`) takes the time between asking for a piece and having it, and counts what it
includes as its own.

## HTTP clients

A call is counted once, by the library the app has called: requests stands upon urllib3, and that upon http.client. Redirects, retries and a body that is
not streamed are part of it; its status is that of the last answer. `error.type` is the status from 400 on, else the exception's class. Of an address host
and port are kept, of a unix socket its path; unknown methods are `_OTHER`, and after 200 places others are `(other)`.

Each request carries `traceparent` in the trace of its transaction, unless the app has set that header; it is added to the bytes that are sent, so no object
of the app is changed. A trace that begins here is marked as sampled (flags `01`): otherwise a service that follows its caller's decision, as
OpenTelemetry's do by default, would stop recording. A request that comes with a valid `traceparent` belongs to that trace and hands on its flags.
`tracestate` is not handed on.

## Versions

The version is that of the files that were imported.

- **Older than the table says:** the instrument is not installed, and the log warns.
- **Newer:** it is installed, and the log says that this was not tested. An update must not end the records. Where a function is
  gone, its patch is left out; if another goes wrong, that is caught.
- **Unknown** (no metadata beside the files, no version within): it is installed.

The log has one line for each, with the module, its version and its file. The worker with the lowest number says it on level INFO, or WARNING; all
others have the same to say, and do so on level DEBUG.

## What an instrument may do

An instrument is data: a function of the library, and a pure function that says what a call of it is. `instruments/_calls.py` is what stands in the
place of every patched function: without a transaction it makes one look at the context and calls the original; what that returns or
raises passes unchanged; what goes wrong in us is caught, counted (`wsgiapm doctor`: `internal-errors`, gate `instruments`) and logged once an hour.
Coroutine functions and generators stay what they are; the functions of asynchronous generators are left alone.
One test holds every instrument to that, on and off, with libraries too old, new and absent (`tests/instruments`), and `make test-libraries` runs the
tests that Flask, Bottle, Jinja2, PyMySQL and redis-py bring with them, each in a transaction, with and without us: the results are the same.
"""


def page() -> str:
    """Return docs/instruments.md."""
    rows = []
    for name, library in instruments.TABLE.items():
        instrument = import_module(f"wsgiapm.instruments.{name}")
        shown = getattr(instrument, "DISTRIBUTION", library)
        versions = "of the standard library" if library in sys.stdlib_module_names else f"`{instrument.VERSIONS}`"
        rows.append(f"| `{name}` | {shown} | {versions} | {instrument.RECORDS} |\n")
    return _HEAD + "".join(rows) + _TAIL


if __name__ == "__main__":
    sys.stdout.write(page())
