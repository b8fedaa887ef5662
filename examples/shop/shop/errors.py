# SPDX-License-Identifier: Apache-2.0
"""The error that the shop raises on purpose, and the filter that keeps it out of the log."""

import logging


class BrokenPageError(Exception):
    """What /broken/ raises."""


class UnexpectedFilter(logging.Filter):
    """Lets everything pass but the error that was meant to happen."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the record is worth a line."""
        kind = record.exc_info[0] if record.exc_info else None
        return kind is not BrokenPageError
