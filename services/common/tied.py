"""Run another program that dies with its parent: `python tied.py PARENT_PID PROGRAM ARGUMENT...` (Linux).

This is a separate program because `preexec_fn` is unsafe in a parent with threads.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
PARENT_GONE: Final = 125
"""Exit code if the parent had died before this process was tied to it."""


def tied(program: Sequence[str]) -> list[str]:
    """Return the command that runs a program (its path first) as a child that dies with this process.

    It dies with the thread that starts it: use a thread that lives as long as the child should.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *program]


def main(arguments: list[str]) -> None:
    """Ask the kernel for SIGKILL at the parent's death (this survives exec), then execute the program."""
    parent, program = int(arguments[0]), arguments[1:]
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit(PARENT_GONE)
    try:
        os.execv(program[0], program)  # noqa: S606 - the arguments come from our own supervisor, no shell is involved
    except OSError as error:
        sys.exit(f"cannot run {program[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
