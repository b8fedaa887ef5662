# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm discover`: the Python web and worker processes of this machine, and which of them are monitored."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from wsgiapm.cli.terminal import say

if TYPE_CHECKING:
    from wsgiapm.discovery.nginx import Proxies
    from wsgiapm.discovery.services import Service

SUMMARY = "list the Python web and worker processes of this machine: which are monitored, which are not, and how to"
EXAMPLE = "sudo wsgiapm discover"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--json", action="store_true", help="print everything as JSON, see docs/discover.md")


def run(arguments: argparse.Namespace) -> int:
    """Look and report; what was found is no failure."""
    from wsgiapm.discovery.nginx import find_proxies  # noqa: PLC0415
    from wsgiapm.discovery.services import find_services, is_root  # noqa: PLC0415

    services, proxies = find_services(), find_proxies()
    if arguments.json:
        _print_json(services, proxies, complete=is_root())
        return 0
    for service in services:
        _print_service(service)
    _print_proxies(services, proxies)
    if not services:
        say("no Python web or worker process can be seen here")
    if not is_root():
        say("not run by root: processes of other users are listed, but not looked into")
    return 0


def _print_json(services: list[Service], proxies: Proxies, *, complete: bool) -> None:
    from dataclasses import asdict  # noqa: PLC0415

    found = {
        "services": [asdict(service) for service in services],
        "proxies": [asdict(proxy) for proxy in proxies.proxies],
        "unread": proxies.unread,
        "complete": complete and not proxies.unread,
    }
    print(json.dumps(found, indent=2))


def _print_service(service: Service) -> None:
    number = len(service.workers)
    workers = f", {number} worker{'' if number == 1 else 's'}" if number else ""
    named = f"{service.kind} {service.app}".strip()
    say(f"{service.state.upper():<14} {named}  (pid {service.pid}{workers}, user {service.user})")
    for directory in service.directories:
        say(f"{'':<14}   counts in {directory}")
    if service.note:
        say(f"{'':<14}   {service.note}")
    for line in service.lines:
        say(f"{'':<14}   -> {line}")


def _print_proxies(services: list[Service], proxies: Proxies) -> None:
    for proxy in proxies.proxies:
        served = [service for service in services if set(service.pids) & set(proxy.pids)]
        names = ", ".join(f"{one.kind} {one.app}".strip() + f" (pid {one.pid}, {one.state})" for one in served)
        upstream = f"upstream {proxy.upstream}, " if proxy.upstream else ""
        say(f"{'NGINX':<14} -> {upstream}{proxy.address}: {names or 'nobody that can be seen here'}")
        if proxy.line:
            say(f"{'':<14}   does not say when it took a request, so there is no queue time")
            say(f"{'':<14}   -> {proxy.line}")
    for path in proxies.unread:
        say(f"{'NGINX':<14} {path} cannot be read; run this as root to see what it passes on to")
