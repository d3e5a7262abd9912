"""Who gives a command."""

from __future__ import annotations

import getpass
import os


def user() -> str:
    """Return who runs this; a container's user has a number only."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
