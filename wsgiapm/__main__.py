# SPDX-License-Identifier: Apache-2.0
"""`python -m wsgiapm` is the command `wsgiapm`."""

from __future__ import annotations

import sys

from wsgiapm.cli import main

if __name__ == "__main__":
    sys.exit(main())
