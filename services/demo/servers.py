"""The local stack for the length of a demo or a benchmark, left as it was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.stack import Stack


@contextmanager
def servers(folder: Path, say: Callable[[str, str], None], *, keep: bool = False) -> Iterator[dict[str, str]]:
    """Start the servers that do not run and yield the XRAY_ variables; at the end stop those, unless to `keep` them.

    If none ran before, they also end with this process when it is killed.
    """
    before = {server.name for server in Stack(folder).status() if server.state != "stopped"}
    stack = Stack(folder, tied=not keep and not before)
    try:
        stack.up(progress=say)
        yield stack.environment()
    finally:
        if not keep and not before:
            stack.down(progress=say)
        elif not keep:
            for name in sorted(set(stack.servers) - before):
                stack.stop(name)
