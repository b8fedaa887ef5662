# SPDX-License-Identifier: Apache-2.0
"""Where results go: JSON in benchmarks/results/, and tables made of it in docs/performance.md, between markers.

`python -m benchmarks.report` makes all tables anew from the JSON that is there.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from benchmarks.environments import ROOT, version_of
from benchmarks.peers import OURS, Peer, PeerError

QUESTIONS = ("request", "throughput", "merge", "footprint", "pause", "growth", "sql")
RESULTS = os.path.join(ROOT, "benchmarks", "results")
PAGE = os.path.join(ROOT, "docs", "performance.md")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine() -> dict[str, Any]:
    """Describe this machine, without its name."""
    return {
        "cpu": _first_match("/proc/cpuinfo", r"model name\s*: (.*)"),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": f"{platform.python_implementation()} {platform.python_version()}, {platform.python_compiler()}",
    }


def versions(peers: Sequence[Peer]) -> dict[str, str]:
    """Return the version of each peer that is a package."""
    return {p.distribution: version_of(p.environment, p.distribution) for p in peers if p.distribution}


def progress(text: str) -> None:
    """Say how far a run is."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


@contextmanager
def tolerating(peer: Peer) -> Iterator[None]:
    """Go on without a peer that fails, unless it is what the others are compared with, and say so in the result."""
    try:
        yield
    except (PeerError, OSError, subprocess.SubprocessError) as error:
        if peer.environment == OURS.environment:
            raise
        progress(f"{peer.shown} is left out: {error}")
        _left_out[peer.shown] = str(error).strip().partition("\n")[0][:200]


def publish(question: str, result: dict[str, Any], show: Callable[[Any], str], peers: Sequence[Peer] = ()) -> None:
    """Print a result by `show`; keep it and put its table into the page, unless this was a quick run."""
    document = {
        "question": question,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine(),
        "versions": versions(peers),
        "load_before": round(_load_before, 2),
        "left_out": _left_out,
        "result": result,
    }
    document = json.loads(json.dumps(document))
    shown = section(document, show)
    print(shown, flush=True)
    if is_quick():
        print("(a quick run: nothing was written)", flush=True)
        return
    os.makedirs(RESULTS, exist_ok=True)
    with open(os.path.join(RESULTS, f"{question}.json"), "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")
    write_section(question, shown)


def section(document: dict[str, Any], show: Callable[[Any], str]) -> str:
    """Return what stands in the page for a result that has been read from JSON."""
    missing = "".join(f"\n\nLeft out: {peer} ({why})." for peer, why in document.get("left_out", {}).items())
    return f"{show(document['result'])}{missing}\n\n{_source(document)}"


def read_result(question: str) -> dict[str, Any] | None:
    """Return the document of a question, None when it has not been measured yet."""
    try:
        with open(os.path.join(RESULTS, f"{question}.json"), encoding="utf-8") as file:
            return dict(json.load(file))
    except FileNotFoundError:
        return None


def is_quick() -> bool:
    """Tell whether this is a run of seconds, to see that everything works."""
    return "--quick" in sys.argv


def write_section(name: str, text: str, page: str = PAGE) -> None:
    """Put `text` between the markers of a section of a page. Raises ValueError when it has no such section."""
    with open(page, encoding="utf-8") as file:
        whole = file.read()
    start, end = f"<!-- {name}: made by make bench-{name} -->", f"<!-- end of {name} -->"
    if start not in whole or end not in whole:
        msg = f"{page} has no markers for {name}: put {start!r} and {end!r} where its table is to stand"
        raise ValueError(msg)
    before, _, rest = whole.partition(start)
    after = rest.partition(end)[2]
    with open(page, "w", encoding="utf-8") as file:
        file.write(f"{before}{start}\n{text}\n{end}{after}")


def _source(document: dict[str, Any]) -> str:
    about = document["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    return (
        f"*{document['date']}, {about['cpus']} CPUs ({about['cpu']}), {about['memory_gib']} GiB, {about['system']}, "
        f"{about['python']}{'; ' + packages if packages else ''}.*"
    )


def _first_match(path: str, pattern: str) -> str:
    with open(path, encoding="utf-8") as file:
        found = re.search(pattern, file.read())
    return found[1].strip() if found else "unknown"


_load_before = os.getloadavg()[0]
_left_out: dict[str, str] = {}


def main() -> None:
    for question in QUESTIONS:
        document = read_result(question)
        if document is not None:
            write_section(question, section(document, import_module(f"benchmarks.{question}").show))


if __name__ == "__main__":
    main()
