# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm verify`: reconciles our counts with the access log of gunicorn, nginx or Apache."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from wsgiapm.cli.arguments import add_shared_directory
from wsgiapm.cli.terminal import say

if TYPE_CHECKING:
    from wsgiapm.access_log.books import Server
    from wsgiapm.access_log.verification import Verification
    from wsgiapm.config import Settings

SUMMARY = "compare our counts with an access log, by route, status and bytes"
EXAMPLE = "wsgiapm verify /var/log/gunicorn/access.log /var/log/gunicorn/access.log.1.gz"

_SHOWN_AT_MOST = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "logs",
        metavar="ACCESS_LOG",
        nargs="+",
        help="the log, its rotated files too, gzipped or not; - for standard input",
    )
    add_shared_directory(parser)
    parser.add_argument(
        "--format",
        default="auto",
        metavar="F",
        help="combined, common, gunicorn, apache, nginx, or the server's own format string (default: common or combined)",
    )
    parser.add_argument(
        "--server", metavar="URL", help="compare with what `wsgiapm serve` has, not with the shared directory"
    )
    parser.add_argument(
        "--token-file", metavar="F", help="file with the server's view token (default: the one in the state directory)"
    )
    parser.add_argument("--app", metavar="A", help="the app's name on the server (default: app_name of the settings)")
    parser.add_argument("--from", dest="start", type=float, metavar="T", help="begin of the window, epoch seconds")
    parser.add_argument("--to", dest="end", type=float, metavar="T", help="end of the window, epoch seconds")
    parser.add_argument("--json", action="store_true", help="print everything as JSON, see docs/verify.md")


def run(arguments: argparse.Namespace) -> int:
    """Compare and report; 1 when a difference has no explanation."""
    from wsgiapm.access_log.formats import Format  # noqa: PLC0415
    from wsgiapm.access_log.verification import verify_directory, verify_server  # noqa: PLC0415
    from wsgiapm.cli.places import find  # noqa: PLC0415

    form = Format(arguments.format)
    place = find(arguments.shared_dir)
    settings = place.settings
    ignored = (*settings.ignore_paths, *((settings.metrics_path,) if settings.metrics_path else ()))
    if arguments.server:
        window = _window(arguments)
        done = verify_server(_server(arguments, settings), _once(arguments.logs), form, ignored, window)
    else:
        _refuse_window(arguments)
        place.require()
        done = verify_directory(place.path, arguments.logs, form, ignored)
    if arguments.json:
        print(json.dumps(done.as_json(), indent=2, allow_nan=False))
    else:
        _print(done)
    return 0 if done.report.agrees else 1


def _window(arguments: argparse.Namespace) -> tuple[float, float] | None:
    from wsgiapm.errors import ConfigError  # noqa: PLC0415

    if arguments.start is None and arguments.end is None:
        return None
    if arguments.start is None or arguments.end is None or arguments.start >= arguments.end:
        raise ConfigError("--from and --to go together, and --from is the smaller one")
    return arguments.start, arguments.end


def _refuse_window(arguments: argparse.Namespace) -> None:
    from wsgiapm.errors import ConfigError  # noqa: PLC0415

    given = [name for name in ("start", "end", "app", "token_file") if getattr(arguments, name) is not None]
    if given:
        raise ConfigError(
            "--from, --to, --app and --token-file are for --server: the shared directory knows its own app, and only what it "
            "has counted since it began"
        )


def _once(logs: list[str]) -> list[str]:
    from wsgiapm.errors import ConfigError  # noqa: PLC0415

    if "-" in logs:
        raise ConfigError("with --server the log is read more than once: give it as a file")
    return logs


def _server(arguments: argparse.Namespace, settings: Settings) -> Server:
    import os  # noqa: PLC0415

    from wsgiapm.access_log.books import Server  # noqa: PLC0415
    from wsgiapm.config import state_directory  # noqa: PLC0415
    from wsgiapm.errors import ConfigError  # noqa: PLC0415

    path = arguments.token_file or os.path.join(state_directory(), "view-token")
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            token = file.readline().strip()
    except OSError as error:
        raise ConfigError(
            f"view token file {path} cannot be read: {error.strerror}; name it with --token-file"
        ) from error
    return Server(arguments.server, token, arguments.app or settings.app_name, settings.environment)


def _print(done: Verification) -> None:
    from datetime import datetime  # noqa: PLC0415

    tally, report = done.tally, done.report
    begin = datetime.fromtimestamp(done.books.start).astimezone().isoformat(" ", "seconds")
    say(f"our counters since {begin}, {tally.lines} lines of log")
    if tally.malformed:
        say(f"{tally.malformed} lines are of no known format, such as:")
        for example in tally.examples:
            say(f"  {example!r}")
    _print_rows(done)
    for explanation in report.explanations:
        say(f"explained: {explanation.requests} requests {explanation.text} [{explanation.id}]")
    for size in report.sizes:
        verdict = f"explained: {size.explained}" if size.explained else "DIFFERENCE"
        say(f"bytes on {size.route}: {size.log} in the log, {size.ours} ours; {verdict}")
    if tally.sizes is None or done.books.sizes is None:
        say(f"bytes were not compared: {'the server' if done.books.sizes is None else 'the log'} does not tell them")
    for varying in tally.lengths.varying():
        say(varying.explain())
    for hint in done.hints:
        say(f"hint: {hint}")
    sys.stdout.write("no difference\n" if report.agrees else "there are DIFFERENCES\n")


def _print_rows(done: Verification) -> None:
    rows = sorted(done.report.rows, key=lambda row: (-abs(row.unexplained), -abs(row.log - row.ours), -row.log))
    say(f"{'log':>10} {'ours':>10} {'difference':>10}  status  route")
    for row in rows[:_SHOWN_AT_MOST]:
        say(f"{row.log:>10} {row.ours:>10} {row.unexplained:>10}  {row.status or '-':>6}  {row.route}")
    if len(rows) > _SHOWN_AT_MOST:
        say(f"  ... and {len(rows) - _SHOWN_AT_MOST} more; --json has them all")
    total_log, total_ours = sum(row.log for row in rows), sum(row.ours for row in rows)
    say(f"{total_log:>10} {total_ours:>10} {sum(row.unexplained for row in rows):>10}          in all")
