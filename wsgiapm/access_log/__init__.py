# SPDX-License-Identifier: Apache-2.0
"""Access logs of web servers, and their reconciliation with our own counters: `wsgiapm verify`."""
