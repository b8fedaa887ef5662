# SPDX-License-Identifier: Apache-2.0
"""The version, in one place: the build reads it from here, and so does everything that names it."""

VERSION = "0.1.0.dev0"
