# SPDX-License-Identifier: Apache-2.0
"""A small Django shop that looks like real life, to be watched by wsgiapm."""
