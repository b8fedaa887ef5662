# SPDX-License-Identifier: Apache-2.0
"""Where the counters go, as one line in the log: said once for a machine and its settings, not by every worker anew.

What was said last stands in the index, as a checksum. Who counts in the first segment says it, so nobody says it twice at once.
"""

from __future__ import annotations

import zlib

from wsgiapm import log
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.instance import Instance
from wsgiapm.config import Settings, endpoint_is_local, ingest_token, shared_directory, show_duration

_BOOT = "/proc/sys/kernel/random/boot_id"


def tell_once(instance: Instance, settings: Settings) -> None:
    """Say where what is counted here goes, unless that has been said since the machine started."""
    if instance.directory is None or instance.segment.number != 0:
        return
    checksum = zlib.crc32(f"{_way(settings)} {_boot()}".encode()) or 1
    if instance.index.word(layout.SAID_OFFSET) != checksum:
        instance.index.set_word(layout.SAID_OFFSET, checksum)
        log.info("%s%s", _way(settings), _token(settings) if settings.endpoint else "")


def _way(settings: Settings) -> str:
    way = f"{settings.app_name} is counted in {shared_directory(settings)}"
    if not settings.endpoint:
        return f"{way} and uploaded nowhere (endpoint is empty); wsgiapm metrics shows it"
    who = "a thread of one worker" if settings.harvest_mode == "thread" else "wsgiapm harvest"
    return f"{way} and uploaded every {show_duration(settings.harvest_interval)} by {who} to {settings.endpoint}"


def _token(settings: Settings) -> str:
    if any(name.lower() == "authorization" for name, _ in settings.headers):
        return ", with the Authorization of headers"
    if not ingest_token(settings):
        return ", without a token"
    if settings.endpoint.lower().startswith("http:") and not endpoint_is_local(settings.endpoint):
        return ", without the token: over plain http it goes to this machine only"
    return ", with license_key" if settings.license_key else ", with the token that wsgiapm serve made"


def _boot() -> str:
    try:
        with open(_BOOT, encoding="ascii") as file:
            return file.read()
    except OSError:  # another system
        return ""
