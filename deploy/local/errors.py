"""Errors of the local stack: which server cannot run, the end of its log, and what to do."""

import re
from pathlib import Path

from deploy.local.logs import tail_since_start
from services.common.errors import Fatal

_REMEDIES: tuple[tuple[str, str], ...] = (
    (
        r"the jars in (.+) are not those pinned in",
        "delete the folder {0} and run `xray stack up` again; if it repeats, the download is not the pinned release",
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
    """A server of the local stack cannot run.

    `server` is its name, `message` the problem, `remedy` what to do, `last_lines` the end of its log.
    """

    def __init__(self, server: str, message: str, remedy: str, last_lines: tuple[str, ...] = ()) -> None:
        """Combine the four parts into one text."""
        self.server = server
        self.message = message
        self.remedy = remedy
        self.last_lines = last_lines
        quoted = "".join(f"\n  | {line}" for line in last_lines)
        shown = f"\nlast lines of its log:{quoted}" if quoted else ""
        super().__init__(f"{server}: {message}{shown}\nremedy: {remedy}")


def failure(server: str, message: str, log: Path) -> StackError:
    """Build the error for a server whose log explains the failure; `log` need not exist."""
    lines = tail_since_start(log, 15)
    return StackError(server, message, remedy_for("\n".join((*lines, message)), log), lines)


def remedy_for(output: str, log: Path) -> str:
    """Return what to do about a known cause in the output, else where to read more."""
    for pattern, remedy in _REMEDIES:
        found = re.search(pattern, output)
        if found:
            return remedy.format(*found.groups())
    return f"read the whole log: {log}"
