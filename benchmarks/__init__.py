# SPDX-License-Identifier: Apache-2.0
"""What the agent costs, and what its peers cost: one module for each question, each to be run alone."""
