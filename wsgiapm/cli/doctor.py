# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm doctor`: everything that could make data go missing here, each with its remedy."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING

from wsgiapm.cli.arguments import add_shared_directory
from wsgiapm.cli.terminal import say

if TYPE_CHECKING:
    from wsgiapm.doctor import Finding

SUMMARY = "find out why data is missing, and what to do about it"
EXAMPLE = "WSGIAPM_APP_NAME=shop wsgiapm doctor --json"

_MARKS = {"info": "ok     ", "warning": "WARNING", "error": "ERROR  "}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    add_shared_directory(parser)
    parser.add_argument("--json", action="store_true", help="print findings[] of id, severity, message, remedy")


def run(arguments: argparse.Namespace) -> int:
    """Examine and report; 1 when anything is worth a warning."""
    from dataclasses import asdict  # noqa: PLC0415

    from wsgiapm import log  # noqa: PLC0415
    from wsgiapm.config import resolve  # noqa: PLC0415
    from wsgiapm.doctor import examine  # noqa: PLC0415

    log.configure(os.devnull, "ERROR")  # what the agent would say there is a finding here
    findings = examine(resolve(), os.path.abspath(arguments.shared_dir) if arguments.shared_dir else "")
    if arguments.json:
        print(json.dumps({"findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        _print(findings)
    return 1 if any(finding.severity != "info" for finding in findings) else 0


def _print(findings: list[Finding]) -> None:
    for finding in findings:
        say(f"{_MARKS[finding.severity]}  {finding.message}")
        if finding.remedy:
            say(f"         -> {finding.remedy}")
    worst = sum(finding.severity != "info" for finding in findings)
    sys.stdout.write("nothing is wrong\n" if not worst else f"{worst} finding{'' if worst == 1 else 's'}\n")
