"""What the local stack says when a server cannot run: which one, its last words, and the mend."""

from __future__ import annotations

import re
from pathlib import Path

from deploy.local.logs import tail_since_start
from services.common.errors import Fatal

_MENDS: tuple[tuple[str, str], ...] = (
    (
        r"not those pinned in",
        "delete the folder .cache and run `xray stack up` again; if it repeats, somebody serves you other files",
    ),
    (
        r"error while loading shared libraries: (\S+?):",
        "install the system package that holds {0}, then run `xray stack up` again",
    ),
    (
        r"(?i)address already in use|already in use",
        "another process took the port; run `xray stack up` again, it will choose a free one",
    ),
    (r"(?i)no space left on device", "free some disk space, then run `xray stack up` again"),
    (
        r"(?i)OutOfMemoryError|cannot allocate memory|insufficient memory",
        "free some memory (the four servers need about 1 GiB), then run `xray stack up` again",
    ),
    (
        r"(?i)could not resolve host|name resolution|ConnectionError|Max retries exceeded|dns error|failed to fetch",
        "the first start downloads packages: check the network (proxy, certificates), then run `xray stack up` again",
    ),
)


class StackError(Fatal):
    """A server of the local stack cannot run as asked.

    `server` names it, `words` say what happened, `mend` says what to do, `last_lines` are the end of its log.
    """

    def __init__(self, server: str, words: str, mend: str, last_lines: tuple[str, ...] = ()) -> None:
        """Write the four parts as one message for a person."""
        self.server = server
        self.words = words
        self.mend = mend
        self.last_lines = last_lines
        quoted = "".join(f"\n  | {line}" for line in last_lines)
        shown = f"\nlast lines of its log:{quoted}" if quoted else ""
        super().__init__(f"{server}: {words}{shown}\nmend: {mend}")


def failure(server: str, words: str, log: Path) -> StackError:
    """Build the error for a server whose log tells why it failed; `log` need not exist."""
    lines = tail_since_start(log, 15)
    return StackError(server, words, mend_for("\n".join((*lines, words)), log), lines)


def mend_for(said: str, log: Path) -> str:
    """Say what to do about a known cause in what was said, or where to read on."""
    for pattern, mend in _MENDS:
        found = re.search(pattern, said)
        if found:
            return mend.format(*found.groups())
    return f"read the whole log: {log}"
