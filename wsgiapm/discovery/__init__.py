# SPDX-License-Identifier: Apache-2.0
"""The Python web and worker processes of this machine, and which of them are monitored: `wsgiapm discover`."""
