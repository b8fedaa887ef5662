# SPDX-License-Identifier: Apache-2.0
"""Real servers, one of each for all tests of a process."""

from __future__ import annotations

from tests.caches import memcached, memcached_socket, redis_cluster, redis_server

__all__ = ["memcached", "memcached_socket", "redis_cluster", "redis_server"]
