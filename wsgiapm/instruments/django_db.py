# SPDX-License-Identifier: Apache-2.0
"""Django's databases: the alias a connection has in the settings is recorded with what the driver records."""

from __future__ import annotations

from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any

from wsgiapm.instruments._dbapi import connecting_as
from wsgiapm.instruments._patch import Exchange

if TYPE_CHECKING:
    from collections.abc import Callable

MODULE = "django"
VERSIONS = ">=4.2,<6"
RECORDS = "the alias of a database, with the calls of its driver"


def _make(original: Any, _failed: Callable[[], None]) -> Any:
    @wraps(original)
    def connect(self: Any) -> Any:
        with connecting_as(self.alias):
            result = original(self)
        with suppress(AttributeError, TypeError):  # a driver whose connections take no attribute
            self.connection._wsgiapm_alias = self.alias  # noqa: SLF001
        return result

    return connect


PATCHES = (Exchange("django.db.backends.base.base", "BaseDatabaseWrapper.connect", _make),)
