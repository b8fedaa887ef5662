# SPDX-License-Identifier: Apache-2.0
"""Whether an instrument is for the library that has been imported, and telling of it once.

A library that is older than all an instrument is made for is left alone, with a warning. For one that is newer than all
it has been tested with the instrument is installed: an update must not end the records, a patch whose place is gone is
left out, and what goes wrong in another is caught at the gate.
"""

from __future__ import annotations

from types import ModuleType

from wsgiapm import log
from wsgiapm.instruments import _library


class News:
    """What there is to tell about instruments in this process; it waits until it is known how loud that is to be."""

    def __init__(self) -> None:
        """Begin with nothing to tell."""
        self._aloud: bool | None = None
        self._waiting: list[tuple[str, str]] = []
        self._admitted: dict[str, bool] = {}

    def announce(self, *, aloud: bool) -> None:
        """Tell what has been kept, and from now on what there is at once: at its own level or, if not `aloud`, as DEBUG."""
        self._aloud = aloud
        waiting, self._waiting = self._waiting, []
        for level, message in waiting:
            self._tell(level, message)

    def _tell(self, level: str, message: str) -> None:
        if self._aloud is None:
            self._waiting.append((level, message))
        elif not self._aloud:
            log.debug("%s", message)
        elif level == "INFO":
            log.info("%s", message)
        else:
            log.warning("%s", message)

    def forget(self) -> None:
        """Tell everything anew."""
        self._admitted.clear()

    def withdraw(self, name: str) -> None:
        """Tell nothing of an instrument that has been taken away before anything was told."""
        self._admitted.pop(name, None)
        self._waiting = [news for news in self._waiting if not news[1].startswith(f"instrument {name}: ")]

    def admit(self, name: str, instrument: ModuleType) -> bool:
        """Tell whether an instrument is to be installed for its library, which is being imported."""
        if name not in self._admitted:
            self._admitted[name] = self._judge(name, instrument)
        return self._admitted[name]

    def _judge(self, name: str, instrument: ModuleType) -> bool:
        distribution = getattr(instrument, "DISTRIBUTION", instrument.MODULE)
        library = _library.find(instrument.MODULE, distribution)
        if library is None:
            return True
        found = f"{instrument.MODULE} {library.version or '(of unknown version)'} from {library.file or '?'}"
        verdict = _library.judge(library.version, instrument.VERSIONS)
        if verdict == "too old":
            self._tell("WARNING", f"instrument {name}: not installed, it is for {instrument.VERSIONS}: {found}")
            return False
        remark = f" (newer than tested: {instrument.VERSIONS})" if verdict else ""
        self._tell("INFO", f"instrument {name}: {found}{remark}")
        return True
