# SPDX-License-Identifier: Apache-2.0
"""What code was running: stacks of requests and of processes that died."""
