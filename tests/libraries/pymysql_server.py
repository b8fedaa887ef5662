# SPDX-License-Identifier: Apache-2.0
"""What PyMySQL's tests need: a MariaDB with two databases, and a file that says where."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from typing import TYPE_CHECKING

from tests.databases import running_mariadb

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def prepare(directory: str) -> Iterator[None]:
    """Run it, as long as the context lasts."""
    with running_mariadb() as server:
        client = ["mariadb", "--no-defaults", f"--socket={server.socket}", "--user=root"]
        subprocess.run([*client, "-e", "CREATE DATABASE test1; CREATE DATABASE test2"], check=True)
        place = {"host": server.host, "port": server.port, "user": server.user, "passwd": server.password}
        databases = [
            {**place, "db": "test1", "use_unicode": True, "local_infile": True},
            {**place, "db": "test2"},
        ]
        with open(os.path.join(directory, "pymysql", "tests", "databases.json"), "w", encoding="utf-8") as file:
            json.dump(databases, file)
        yield
