# SPDX-License-Identifier: Apache-2.0
"""Counters and histograms of many processes in memory-mapped files, merged exactly; `layout` is the format."""
