# SPDX-License-Identifier: Apache-2.0
"""An app that wraps itself, deep inside: its settings are the ones that count."""

from __future__ import annotations

import os

import plain

from wsgiapm import APMMiddleware

_inner = APMMiddleware(plain.application, shared_dir=os.environ["EXPLICIT"])


def application(environ, start_response):
    """What a server gets is not the middleware."""
    return _inner(environ, start_response)
