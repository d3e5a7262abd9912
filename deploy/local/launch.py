"""Become a server, after writing down who it is. Run as a script: `launch.py PID_FILE LOCK_FD COMMAND...`.

The starter may be killed at any moment, also between starting a child and noting its pid. So the child notes it
itself, while it still holds the lock it inherited, and only then becomes the server. Whoever gets the lock next finds
a complete record. Needs nothing but the standard library: it runs with `-I -S`, in some 15 ms.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def start_ticks(pid: int) -> int | None:
    """Return when the process started, in clock ticks since boot; None if it is gone or a zombie.

    Source: proc(5), /proc/pid/stat, fields 3 (state) and 22 (starttime).
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def boot_id() -> str:
    """Return the identifier of this boot of the machine: clock ticks of another boot mean nothing."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def main(arguments: list[str]) -> None:
    """Write `pid ticks boot_id` to the pid file, let go of the lock by becoming the command."""
    pid_file, lock, *command = arguments
    partial = Path(f"{pid_file}.partial")
    partial.write_text(f"{os.getpid()} {start_ticks(os.getpid())} {boot_id()}\n", encoding="ascii")
    partial.replace(pid_file)
    os.set_inheritable(int(lock), False)
    try:
        os.execvpe(command[0], command, os.environ)  # noqa: S606  (the point of this script)
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror}\n")
        sys.exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
