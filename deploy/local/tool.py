"""Become a tool that ends with its parent. Run as a script: `tool.py PARENT_PID COMMAND...`.

So that a killed `xray stack up` leaves no download running. Needs nothing but the standard library.
Source: prctl(2), PR_SET_PDEATHSIG; it follows the parent's thread, which waits for the tool.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Ask for SIGKILL at the parent's end, and run the command in place of this process."""
    parent, *command = arguments
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit("the parent ended before the tool began")
    try:
        os.execvp(command[0], command)  # noqa: S606  (the point of this script)
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
