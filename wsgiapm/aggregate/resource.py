# SPDX-License-Identifier: Apache-2.0
"""Who sends: the resource attributes of an instance, by the semantic conventions."""

from __future__ import annotations

import os
import sys
from uuid import UUID

from wsgiapm.aggregate.index_file import IndexHeader
from wsgiapm.aggregate.snapshot import Attributes
from wsgiapm.named_tuple import NamedTuple
from wsgiapm.version import VERSION


class Resource(NamedTuple):
    """What the shared directory does not know about the app."""

    service_version: str = ""

    def attributes(self, header: IndexHeader) -> Attributes:
        """Return the resource attributes of the instance with this header."""
        values = {
            "service.name": header.identity.app,
            "service.instance.id": str(UUID(bytes=header.epoch)),
            "service.version": self.service_version,
            "deployment.environment.name": header.identity.environment,
            "host.name": os.uname().nodename,
            "process.runtime.name": sys.implementation.name,
            "process.runtime.version": ".".join(map(str, sys.version_info[:3])),
            "telemetry.distro.name": "wsgiapm",
            "telemetry.distro.version": VERSION,
            "telemetry.sdk.language": "python",
            "telemetry.sdk.name": "wsgiapm",
            "telemetry.sdk.version": VERSION,
            "wsgiapm.instance.name": header.identity.instance,
        }
        return tuple((name, value) for name, value in sorted(values.items()) if value)
