# SPDX-License-Identifier: Apache-2.0
"""An app that sets logging up for itself alone, as Django does, and logs text that is no ASCII."""

from __future__ import annotations

import logging.config
import sys

from wsgiapm import APMMiddleware

LOGGING = {
    "version": 1,
    "disable_existing_loggers": True,
    "formatters": {"own": {"format": "APP|%(levelname)s|%(name)s|%(message)s"}},
    "handlers": {"own": {"class": "logging.StreamHandler", "formatter": "own", "stream": sys.stderr}},
    "loggers": {"shop": {"handlers": ["own"], "level": "DEBUG", "propagate": False}},
    "root": {"handlers": ["own"], "level": "WARNING"},
}


def answer(environ, start_response):
    """Log what is asked, by a logger of its own and by one that nobody has set up."""
    logging.getLogger("shop").info("Grüße, 漢字: %s", environ["PATH_INFO"])
    logging.getLogger("elsewhere").warning("Füße")
    body = "\n".join(sorted(logging.root.manager.loggerDict)).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


application = APMMiddleware(answer)
logging.config.dictConfig(LOGGING)
